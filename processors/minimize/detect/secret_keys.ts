/**
 * Which keys tell that their value is a secret, in the languages of topics.ts: `password`, `dbPasswd`, `x-api-key`,
 * `ibm_cloud_iamapikey`, `wachtwoord`. Whole words count, and the end of a word that was glued together.
 */

import { textOf } from './ascii.ts'
import { commandWords } from './command_line.ts'
import { endsInVendor, type Vendor, vendorNames, vendorOf } from './vendor_names.ts'

export const SecretKey = {
  None: 0,
  /** Any value that is no placeholder: passwords, API keys. */
  Strong: 1,
  /** Only a value that looks random: tokens, sessions, keys of a vendor. */
  Random: 2,
  /** Four to eight digits: PIN, one-time password, CVV. */
  Code: 3,
  /** An `Authorization` header: a scheme and credentials. */
  Authorization: 4,
  /** A `Cookie` header: everything up to the end of the line. */
  Cookie: 5,
  /** Only a long value of letters and digits that a machine drew: `acme_key`. */
  Drawn: 6,
  /** Only what has the form of a vendor's keys: `datadog`. */
  Vendor: 7,
} as const
export type SecretKey = (typeof SecretKey)[keyof typeof SecretKey]

const strongWords =
  'password passwd pwd passphrase passcode pass passe pw secret secrets secrete apikey apitoken accesskey secretkey privatekey authtoken accesstoken refreshtoken clientsecret credential credentials creds wachtwoord motdepasse mdp passwort kennwort contrasena contrasenya clave senha haslo hasla losenord adgangskode passord salasana parola psk presharedkey geheim geheimnis paswoord zugangsdaten userpass dbpass sshpass pgpassword'
const strongPhrases =
  'api key|api token|api secret|apikey|access key|access token|secret key|secret access key|private key|auth token|auth key|refresh token|client secret|session token|bearer token|id token|security token|signing key|signing secret|encryption key|master key|shared key|account key|storage key|webhook secret|unseal key|recovery key|preshared key|pre shared key|app secret|consumer secret|consumer key|mot de passe|palavra passe|connection string|service key|license key|deploy key|subscription key|functions key|function host key|functions host key|shared access signature|sas token|personal access token|private token|deploy token|bot token|login token'
const randomWords =
  'token tokens key auth session sid sessionid sess jwt signature sig sessid jsessionid phpsessid csrf xsrf nonce_secret ticket salt seed mnemonic otpauth'
const codeWords = 'pin otp cvv cvc cvv2 cvc2 totp mfa tan pincode pinkode geheimzahl pinnummer 2fa'
/** After these a key speaks about a secret, and does not hold one. */
const aboutWords = new Set(
  'type types count counts length policy expires expiry expired expiration at ttl age min max required enabled disabled url uri endpoint path file filename field attempts changed reset status valid invalid version index size limit usage used date time timestamp method provider algorithm algo scheme manager prompt hint ref arn name names id ids strength format error errors code message msg state mode duration seconds ms bytes number nummer nr no java kt js ts py go rb cs cpp php scala rs html md log txt class vault store storage rotation rotated updated created count_total total per bucket generation kind source issuer audience scope scopes space count store days hours minutes weeks len warn tries retries encryption quality hashing hasher encoder verifier checker validator generator resolver service controller handler view form field label title text icon link button dialog protected visible visibility required_at recovery_url page screen component props'.split(
    ' ',
  ),
)
/** Before `key` these make it an ordinary key. */
const plainBefore = new Set(
  'public primary foreign sort partition cache row hash index object map json lookup message routing group unique idempotency dedup candidate composite translation i18n locale host ssh known_hosts shard metric registry redis config feature event item column parent child natural surrogate s3 file config_map blob content block chunk part tag dedupe merge upload image asset resource data node tree state hashed tracking keyset map translation message event lock dns rr answer press any arrow home end ctrl alt shift enter delete escape tab page up down left right function hot short main entity storage_object shared_object correlation order sorting search filter facet cookie_name property attr attribute header field variable env registry reg hkey hklm license_id label namespace bucket path route url uri id range start last first max min low high next prev type incident'.split(
    ' ',
  ),
)
const glued =
  /(?:password|passwd|passwort|passord|wachtwoord|kennwort|apikey|secret|passphrase|(?<!by|com|encom|sur|tres|over|under|my|reise|reisen|next|travel)pass|pwd|accesskey|secretkey|authtoken|apitoken)$/
const vendors = new Set(
  'ibm softlayer sl cloudant clou cl cos hmac iam azure aws gcp stripe twilio sendgrid mailgun datadog newrelic sentry github gitlab slack openai cloudflare heroku digitalocean algolia firebase mapbox shopify square paypal braintree plaid okta auth0 snyk sonar npm pypi docker artifactory artif jfrog nexus vault consul jenkins travis circle'.split(
    ' ',
  ),
)

const strong = new Set(strongWords.split(' '))
const random = new Set(randomWords.split(' '))
const code = new Set(codeWords.split(' '))
const phrases = strongPhrases.split('|').map((phrase) => phrase.split(' '))

const known = new Map<string, SecretKey>()
const knownMax = 8192

/** What a key tells, from its text. Remembered, since keys repeat. */
export function secretKey(key: string): SecretKey {
  const remembered = known.get(key)
  if (remembered !== undefined) return remembered
  const kind = decide(key)
  if (known.size >= knownMax) known.clear()
  known.set(key, kind)
  return kind
}

const knownVendors = new Map<string, Vendor | undefined>()
/** The vendor that a key names. Remembered too. */
export function vendorOfKey(key: string): Vendor | undefined {
  if (knownVendors.has(key)) return knownVendors.get(key)
  const vendor = vendorOf(wordsOf(key))
  if (knownVendors.size >= knownMax) knownVendors.clear()
  knownVendors.set(key, vendor)
  return vendor
}

/** Keys that were decided last, by their bytes: length (1), kind (1), bytes. A newer one takes an older one's row. */
const rowsMax = 1024
const keyBytesMax = 30
const ROW = keyBytesMax + 2
const recent = new Uint8Array(rowsMax * ROW)

/** The same of the key in bytes[from, to): no string is made of one that was seen not long ago. */
export function secretKeyIn(bytes: Uint8Array, from: number, to: number): SecretKey {
  const length = to - from
  if (length > keyBytesMax) return secretKey(textOf(bytes, from, to))
  let hash = length
  for (let i = from; i < to; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0
  const row = ((hash ^ (hash >>> 13)) & (rowsMax - 1)) * ROW
  let isKnown = recent[row] === length
  for (let i = 0; isKnown && i < length; i++) isKnown = recent[row + 2 + i] === bytes[from + i]
  if (isKnown) return recent[row + 1] as SecretKey
  const kind = secretKey(textOf(bytes, from, to))
  recent[row] = length
  recent[row + 1] = kind
  for (let i = 0; i < length; i++) recent[row + 2 + i] = bytes[from + i]!
  return kind
}

/** The words of a key, in lower case: cut at anything that is no letter or digit, and at capitals. */
export const wordsOf = (key: string): string[] =>
  key
    .slice(-128)
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')

function decide(key: string): SecretKey {
  const words = wordsOf(key)
  const last = words.at(-1)
  if (last === undefined) return SecretKey.None
  if (last === 'authorization' || last === 'authorisation') return SecretKey.Authorization
  if (last === 'cookie' || last === 'cookies' || last === 'cookie2') return SecretKey.Cookie
  if (words.length > 1 && (aboutWords.has(last) || words.at(-2) === 'hashed')) return SecretKey.None
  for (const phrase of phrases) if (endsNear(words, phrase)) return SecretKey.Strong
  if (last === 'key' && words.at(-2)?.endsWith('api')) return SecretKey.Strong
  if (words.slice(-3).some((word) => strong.has(word) || (word.length > 4 && glued.test(word)))) return SecretKey.Strong
  if (words.some((word, i) => word === 'password' || word === 'passwd' || (word === 'apikey' && i === 0)))
    return SecretKey.Strong
  if (code.has(last)) return SecretKey.Code
  if (last === 'key' || last === 'keys') {
    const before = words.at(-2)
    if (before === undefined) return SecretKey.None
    const isOfVendor = words.some((word) => vendors.has(word))
    // `azure_search_key`
    if (plainBefore.has(before)) return isOfVendor ? SecretKey.Drawn : SecretKey.None
    return isOfVendor || before === 'shared' ? SecretKey.Random : SecretKey.Drawn
  }
  if (random.has(last) || /(?:token|apikey|sessionid)$/.test(last)) return SecretKey.Random
  return endsInVendor(words) ? SecretKey.Vendor : SecretKey.None
}

/** Whether the phrase's words stand in the key with at most two words behind them. */
function endsNear(words: string[], phrase: string[]): boolean {
  for (let i = Math.max(0, words.length - phrase.length - 2); i + phrase.length <= words.length; i++)
    if (phrase.every((word, k) => words[i + k] === word)) return true
  return false
}

/** Endings of three letters that are glued to other words: `dbpwd`, `encryptionKey`. */
export const gluedEndings: readonly string[] = ['pwd', 'key']

/**
 * Words that may give a value away without an operator in between: `password hunter2`, `curl -u …`, `Basic …`. Only these
 * do where they stand alone: the prefilter passes all other words with nothing behind them that binds a value.
 */
export const loudWords: readonly string[] = [
  ...strong,
  ...'passwort wachtwoord kennwort apikey secret passphrase pass pwd accesskey secretkey authtoken apitoken'.split(' '),
  ...commandWords,
  ...'bearer basic'.split(' '),
]

/** Words that the scan must stop at: the first or last four letters of all of these. */
export const anchorWords: readonly string[] = [
  ...loudWords,
  ...random,
  ...code,
  ...phrases.map((phrase) => phrase.at(-1)!),
  ...'token authorization authorisation cookie cookies'.split(' '),
]

/** Vendors' names of which the end is looked for. */
export const endingWords: readonly string[] = vendorNames.filter(({ isBare }) => isBare).map(({ name }) => name)
