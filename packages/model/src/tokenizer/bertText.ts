/** What BERT does to a text before it looks words up. */
export type BertTextOptions = {
  cleanText: boolean;
  handleChineseChars: boolean;
  /** null: as lowercase. */
  stripAccents: boolean | null;
  lowercase: boolean;
};

/** Tabs and line ends are control characters by category, and count as space. */
const CONTROL = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\uFFFD]/gu;
const SPACE = /\p{White_Space}/gu;
/** The blocks of ideographs as BERT lists them, those outside the basic plane included. */
const IDEOGRAPH =
  /[\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\u{20000}-\u{2A6DF}\u{2A700}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu;
/** Punctuation by category, and every other ASCII character that is no letter, digit or space. */
const PUNCTUATION = String.raw`\p{P}!-\/:-@\[-\x60\{-~`;
const WORDS = new RegExp(String.raw`[${PUNCTUATION}]|[^\p{White_Space}${PUNCTUATION}]+`, 'gu');

/**
 * BERT's text normalisation: control characters away, spaces round ideographs, lower case, accents away. Private use
 * characters go too, as in the transformers library (the original of 2018 kept them). A final sigma stays one, as in
 * the original (the Rust library lowers letter by letter).
 * @see Devlin et al. 2018, `BasicTokenizer` in google-research/bert, tokenization.py
 */
export function normalizeBertText(text: string, options: BertTextOptions): string {
  let result = text;
  if (options.cleanText) result = result.replace(CONTROL, '').replace(SPACE, ' ');
  if (options.handleChineseChars) result = result.replace(IDEOGRAPH, ' $& ');
  if (options.lowercase) result = result.toLowerCase();
  if (options.stripAccents ?? options.lowercase) result = result.normalize('NFD').replace(/\p{Mn}/gu, '');
  return result;
}

/**
 * Words between spaces, and each punctuation character by itself.
 * @param longest UTF-16 units of a word that are given; what follows them is left out
 */
export function* bertWords(text: string, longest = Infinity): Generator<string> {
  for (const [word] of text.matchAll(WORDS)) yield word.slice(0, longest);
}
