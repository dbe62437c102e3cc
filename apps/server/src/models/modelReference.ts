import { ChoraleError } from '@chorale/protocol';

/** A model on a hub: what a config's `hf:organisation/name@revision` says. */
export type HubReference = {
  /** "organisation/name" */
  repository: string;
  /** A branch, a tag or a commit. */
  revision: string;
};

/**
 * @returns null when a config's model is none of a hub: an embedded one or a directory
 * @throws {ChoraleError} CONFIG_INVALID
 */
export function hubReference(model: string): HubReference | null {
  if (!model.startsWith('hf:')) return null;
  const [, repository, revision = 'main'] = REFERENCE.exec(model) ?? [];
  if (repository === undefined) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `model: expected hf:organisation/name or hf:organisation/name@revision, got "${model}"`,
    );
  }
  return { repository, revision };
}

// Neither part may begin with a dot: both become folders
const REFERENCE = /^hf:([A-Za-z0-9_][\w.-]*\/[A-Za-z0-9_][\w.-]*)(?:@([\w./-]{1,100}))?$/;
