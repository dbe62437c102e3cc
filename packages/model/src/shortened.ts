/** Longest piece of a file that an error repeats, in characters. */
const SHOWN = 60;

/** What stands in a file of unknown origin, cut to what an error may repeat. */
export function shortened(text: string, atMost = SHOWN): string {
  return text.length > atMost ? `${text.slice(0, atMost)}…` : text;
}

/** A tensor's name for an error: those of real models are under 100 characters. */
export function shortenedName(name: string): string {
  return shortened(name, 100);
}

/** Names for an error: each shortened, and of many the first ones. */
export function listed(names: readonly string[], most = 12): string {
  const few = names.slice(0, most).map((name) => shortened(name));
  return `${few.join(', ')}${names.length > most ? ' and more' : ''}`;
}
