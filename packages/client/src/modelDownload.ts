import type { ModelFile } from '@chorale/protocol';
import { ChoraleError, sha256Hex } from '@chorale/protocol';
import type { ModelFiles } from '@chorale/trainer';

/**
 * Fetches a run's model files from its server and checks each against the hash of the plan.
 * @param onProgress called with the share of bytes received, in [0, 1]
 * @throws {ChoraleError} DISCONNECTED (cannot be fetched), MODEL_INVALID (other bytes than the plan names)
 */
export async function downloadModel(
  serverUrl: string,
  files: readonly ModelFile[],
  onProgress: (fraction: number) => void,
): Promise<ModelFiles> {
  const totalBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const result: ModelFiles = new Map();
  let receivedBytes = 0;
  for (const file of files) {
    const bytes = await downloadFile(new URL(file.path, serverUrl), file, (length) => {
      receivedBytes += length;
      onProgress(totalBytes === 0 ? 1 : Math.min(1, receivedBytes / totalBytes));
    });
    if ((await sha256Hex(bytes)) !== file.sha256) {
      throw new ChoraleError(
        'MODEL_INVALID',
        `${file.name} is not the file this run's plan names. Reload the page.`,
      );
    }
    result.set(file.name, bytes);
  }
  return result;
}

async function downloadFile(
  url: URL,
  { name, sizeBytes }: ModelFile,
  onBytes: (length: number) => void,
): Promise<Uint8Array> {
  const failed = (why: string, cause?: unknown) =>
    new ChoraleError('DISCONNECTED', `The model file ${name} could not be loaded: ${why}. Try again.`, {
      cause,
    });
  const response = await fetch(url).catch((cause: unknown) => {
    throw failed('no connection to the server', cause);
  });
  if (!response.ok || !response.body) throw failed(`the server answered ${response.status}`);
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw failed('the connection broke', cause);
    });
    if (done) break;
    if (at + value.byteLength > sizeBytes) throw failed(`more than the expected ${sizeBytes} bytes came`);
    bytes.set(value, at);
    at += value.byteLength;
    onBytes(value.byteLength);
  }
  if (at !== sizeBytes) throw failed(`${at} of ${sizeBytes} bytes came`);
  return bytes;
}
