/** Text -> HTML, escaped; numbers as people read them. */

/** Escapes text for HTML content and attributes. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[letter]!);

/** Markup that needs no escaping any more. */
export class Markup {
  constructor(readonly text: string) {}
}

type Part = string | number | Markup | undefined | readonly Part[];

const render = (part: Part): string =>
  part === undefined
    ? ""
    : part instanceof Markup
      ? part.text
      : Array.isArray(part)
        ? part.map(render).join("")
        : escapeHtml(String(part));

/** Template that escapes whatever is not already `Markup`. */
export const html = (strings: TemplateStringsArray, ...parts: Part[]): Markup =>
  new Markup(strings.reduce((text, literal, i) => text + render(parts[i - 1]) + literal));

/** 0.9031 -> "90.31 %". */
export const percent = (fraction: number, digits = 2): string => `${(100 * fraction).toFixed(digits)} %`;

/** 1234567 -> "1,234,567". */
export const whole = (value: number): string => Math.round(value).toLocaleString("en-US");

/** 52341 -> "52.3 kB". */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let rest = value;
  while (rest >= 999.5 && at < units.length - 1) {
    rest /= 1000;
    at++;
  }
  return `${at === 0 ? rest : rest.toPrecision(3)} ${units[at]}`;
}

/** 12345678 -> "12.3 M". */
export function amount(value: number): string {
  const units = ["", "k", "M", "G", "T", "P"];
  let at = 0;
  let rest = value;
  while (rest >= 999.5 && at < units.length - 1) {
    rest /= 1000;
    at++;
  }
  return `${at === 0 ? Math.round(rest) : rest.toPrecision(3)}${at === 0 ? "" : ` ${units[at]}`}`;
}

/** Milliseconds with three digits. */
export const milliseconds = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** 3.14159 -> "3.14x", with a real multiplication sign. */
export const times = (ratio: number): string => `${ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)}×`;

/** Difference in percentage points, signed. */
export const points = (difference: number): string =>
  `${difference > 0 ? "+" : difference < 0 ? "−" : "±"}${Math.abs(100 * difference).toFixed(2)}`;
