/**
 * Servers that echo what they got would put secrets into results, errors and logs. Pure.
 *
 * Invariant: text is cleaned before it is cut, and where more of it may have followed, an end that begins a secret goes, too.
 */
/** Shown in place of a secret that an answer repeats. */
const HIDDEN = '[secret]';
/** Shorter words of a secret, such as `Bearer`, say nothing. */
const MIN_WORD_CHARS = 8;

/** @param isPart the text is the beginning of a longer one */
export function withoutSecrets(text: string, secrets: readonly string[], isPart = false): string {
  if (secrets.length === 0) return text;
  const forms = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  const cleaned = forms.reduce((rest, form) => rest.replaceAll(form, HIDDEN), text);
  return isPart ? cleaned.slice(0, cleaned.length - begunBy(cleaned, forms)) : cleaned;
}

/** As it was sent, each long word of it, what Basic authentication packs, and how JSON and URLs write all of these. */
function formsOf(secret: string): string[] {
  const words = secret.split(/\s+/).filter((word) => word.length >= MIN_WORD_CHARS);
  const packed = /^basic\s+(\S+)$/i.exec(secret)?.[1];
  const user = packed === undefined ? '' : Buffer.from(packed, 'base64').toString('latin1');
  const password = user.slice(user.indexOf(':') + 1);
  const plain = [secret, ...words, ...[user, password].filter((part) => part !== '')];
  return plain.flatMap((part) => [part, JSON.stringify(part).slice(1, -1), encodeURIComponent(part)]);
}

/** How many characters at the end may be the beginning of a form. */
function begunBy(text: string, forms: readonly string[]): number {
  return forms.reduce((most, form) => {
    for (let length = Math.min(form.length - 1, text.length); length > most; length--) {
      if (text.endsWith(form.slice(0, length))) return length;
    }
    return most;
  }, 0);
}
