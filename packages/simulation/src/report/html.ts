/** Markup that needs no more escaping. */
export type Html = { readonly markup: string };

type Part = Html | string | number | readonly Html[];

/** Builds markup: texts and numbers are escaped, markup and lists of it stand as they are. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return { markup: strings.reduce((all, text, i) => all + markupOf(parts[i - 1]!) + text) };
}

function markupOf(part: Part): string {
  if (typeof part === 'string' || typeof part === 'number') return escaped(String(part));
  return 'markup' in part ? part.markup : part.map(({ markup }) => markup).join('');
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
