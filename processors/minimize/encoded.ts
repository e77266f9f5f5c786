/**
 * Text that is wrapped in an encoding: percent-encoding in URLs and forms, base64. A key that tells so opens it
 * (`url.query`, `payload_base64`); what is inside is looked at like any text, and wrapped again if it was changed.
 * What is not changed stays byte for byte, what comes out can be decoded like what went in. Depth is bounded.
 */
import { isUtf8 } from 'node:buffer'
import { wordsOf } from './detect/secret_keys.ts'

export type Encoding = 'none' | 'percent' | 'base64' | 'either'

const percentWords = new Set(
  'url uri href query querystring referer referrer redirect callback form urlencoded percent link location target uris urls params'.split(
    ' ',
  ),
)
const base64Words = new Set('base64 b64 base64url'.split(' '))

/** What a key says that its value is wrapped in. */
export function encodingOf(key: string): Encoding {
  const words = wordsOf(key)
  if (words.some((word) => base64Words.has(word) || /(?:base64|b64)$/.test(word))) return 'base64'
  if (words.at(-1) === 'encoded') return words.includes('url') ? 'percent' : 'either'
  return words.some((word) => percentWords.has(word)) ? 'percent' : 'none'
}

/** Looks at what was unwrapped, under the name that stood before it; undefined = as it is. */
export type Inspect = (text: string, name: string) => string | undefined

/** The text with its changed parts wrapped again; undefined = as it is. */
export function rewriteEncoded(text: string, encoding: Encoding, inspect: Inspect): string | undefined {
  if (encoding === 'percent') return rewritePercent(text, inspect)
  const inner = encoding === 'none' ? undefined : rewriteBase64(text, encoding === 'base64', inspect)
  return inner ?? (encoding === 'either' ? rewritePercent(text, inspect) : undefined)
}

/** Parts between the delimiters of a URL or form (RFC 3986), each after the name that it is the value of. */
const part = /(?:([^=&?#/;\s]{0,200})=)?([^&?#/;=\s]+)/g

function rewritePercent(text: string, inspect: Inspect): string | undefined {
  if (!/%[0-9A-Fa-f]{2}/.test(text)) return undefined
  let isChanged = false
  const out = text.replace(part, (whole, name: string | undefined, value: string) => {
    if (!/%[0-9A-Fa-f]{2}/.test(value)) return whole
    const changed = inspect(percentDecoded(value), percentDecoded(name ?? ''))
    if (changed === undefined) return whole
    isChanged = true
    return `${name === undefined ? '' : `${name}=`}${encodeURIComponent(changed.toWellFormed())}`
  })
  return isChanged ? out : undefined
}

/** Bytes that are no UTF-8 become U+FFFD. */
const percentDecoded = (text: string): string =>
  Buffer.from(
    Buffer.from(text.replaceAll('+', ' '))
      .toString('latin1')
      .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString('utf8')

/**
 * Base64 of text, of any alphabet, with or without padding and line ends, also behind `data:…;base64,`. Where no key
 * says that it is (`isTold`), only what decodes to plain text counts.
 */
function rewriteBase64(text: string, isTold: boolean, inspect: Inspect): string | undefined {
  const match = /^(\s*(?:data:[\w.+/;=-]{0,100};base64,)?)([A-Za-z0-9+/_\-\r\n]{8,})(={0,2})\s*$/.exec(text)
  if (!match) return undefined
  const [, before = '', digits = '', padding = ''] = match
  const bytes = Buffer.from(digits, 'base64')
  const isText = isUtf8(bytes)
  if (!isTold && (digits.length < 16 || !isText || bytes.some((byte) => byte < 9))) return undefined
  const changed = inspect(bytes.toString(isText ? 'utf8' : 'latin1'), '')
  if (changed === undefined) return undefined
  // Bytes that are no text cannot be put together again from it.
  const wrapped = Buffer.from(isText ? changed : '<bytes>')
  if (/[_-]/.test(digits)) return before + wrapped.toString('base64url')
  const standard = wrapped.toString('base64')
  return before + (padding === '' && digits.length % 4 !== 0 ? standard.replace(/=+$/, '') : standard)
}
