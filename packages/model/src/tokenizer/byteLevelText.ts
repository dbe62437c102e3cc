/**
 * GPT-2's words: contractions, letters, digits and the rest, each with the space before it; other spaces by themselves.
 * \s is written out as White_Space, since JavaScript's own lacks U+0085 and has U+FEFF.
 * @see Radford et al. 2019, `pat` in openai/gpt-2, src/encoder.py
 */
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** A character for each byte: itself where it is printable in Latin-1, else one from U+0100 on. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

const encoder = new TextEncoder();

/**
 * Words of a text in UTF-8, a character for each byte. An empty text has none, prefixed or not.
 * @param longest bytes of a word that are given; what follows them is left out
 */
export function* byteLevelWords(
  text: string,
  addPrefixSpace: boolean,
  longest = Infinity,
): Generator<string> {
  const spaced = addPrefixSpace && text !== '' && !text.startsWith(' ') ? ` ${text}` : text;
  for (const [word] of spaced.matchAll(WORDS)) {
    let characters = '';
    // Each unit has a byte at least; one more, lest the last is half a character
    const bytes = encoder.encode(word.slice(0, longest + 1)).subarray(0, longest);
    for (const byte of bytes) characters += BYTE_CHARACTERS[byte]!;
    yield characters;
  }
}

function byteCharacters(): string[] {
  let unprintable = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
    return String.fromCharCode(printable ? byte : 0x100 + unprintable++);
  });
}
