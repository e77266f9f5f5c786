/**
 * Values beside a telling key that are no secret: empty, masked already, templates, sample words.
 */
const words = new Set(
  'str x header authorization auth bearer basic digest session cookie files sss systemd compat ldap nis winbind your my the a an insert enter put fake dummy sample example placeholder changeme change me here real anonymous key keys secret secrets password passwd pass token tokens api apikey value string text test todo none null nil true false undefined empty redacted masked hidden removed filtered sensitive not long enough short too xxx xxxx default required optional env var variable config name this is of for to in on and or with invalid incorrect wrong expired missing failed failure success accepted rejected denied changed reset updated valid unknown user username error yes no ok disabled enabled'.split(
    ' ',
  ),
)

const template =
  /^(?:@[<${[]|@[A-Za-z_]+$|@Microsoft\.KeyVault|<%|\\?\$_|(?:vault|ssm|env|file|akv|azurekeyvault|gcpsm|awssm|secretsmanager):|(?:ref\+\w+|op|sm|vault|gsm|secret):\/\/|arn:aws|projects\/[^/]+\/secrets\/|!(?:vault|Ref|Sub|GetAtt|ENV|env|secret|reference)\b|\[(?:FILTERED|REDACTED|MASKED|HIDDEN|SECRET|PASSWORD)\b|\$\{|\$\(|\$[A-Z_]+(?:$|\/)|\$[a-z_]+(?:$|\/|::)|\{\{|<[^>]*>$|%[({]|#\{|%[A-Za-z_]+%$|\[[A-Za-z_ ]+\]$|@@|process\.env|os\.environ|\*+$|\*\*[A-Za-z ]+\*\*$|x{4,}$|X{4,}$|\.{3,}|-+$|…)/
/** `HIDDEN_DUE_TO_SECURITY_REASONS`, `REPLACE_WITH_TOKEN`, `SampleSessionToken`, `ghp_xxxxxxxx`, a nil UUID. */
const sample =
  /^(?:(?:HIDDEN|REDACTED|REMOVED|MASKED|CENSORED|OMITTED|REPLACE|INSERT|ENTER|YOUR|CHANGE)_[A-Z\d_]+|(?:replace|insert|enter)[_-][a-z_-]+|(?:Sample|Example|Dummy|Your|sample|example|dummy|your)(?:[A-Z][a-z]+)+|[A-Za-z]{2,6}[_-]([*.#])\1{5,}|0{8}-0{4}-0{4}-0{4}-0{12}|anonymous@|(?:\\u263a)+)$/
/** What is encrypted already: eyaml, Jasypt, SOPS; and fingerprints of keys, which are public. */
const harmless = /^(?:ENC\[|ENC\(|\$ANSIBLE_VAULT|(?:[\da-f]{2}:){15,}[\da-f]{2}$|SHA256:|MD5:)/i
const already = /^(?:hmac:[0-9a-f]{8}:|cose:|<[a-z_]+>|%3C[a-z_]+%3E)/

/** Whether bytes[start, end) stand for a secret instead of being one. */
export function isPlaceholder(bytes: Uint8Array, start: number, end: number): boolean {
  if (end <= start) return true
  if (end - start > 64) return harmless.test(String.fromCharCode(...bytes.subarray(start, start + 64)))
  let text = ''
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!)
  return isPlaceholderText(text)
}

/** Whether bytes[start, end) are a template or masked already; `password` itself is a password here. */
export function isTemplate(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > 64) return false
  const text = String.fromCharCode(...bytes.subarray(start, end))
  return template.test(text) || already.test(text)
}

export function isPlaceholderText(text: string): boolean {
  if (template.test(text) || already.test(text) || !/[A-Za-z0-9\x1a]/.test(text)) return true
  if (sample.test(text) || harmless.test(text)) return true
  // A version.
  if (/^[\^~]?v?\d+\.\d+\.\d+(?:-[a-z.\d]+)?$/.test(text)) return true
  if (isPath(text)) return true
  const low = text.toLowerCase()
  if (low.includes('fake') || low.includes('placeholder') || low.includes('changeme')) return true
  if (/^[a-z_\-. ]+$/.test(low)) {
    const parts = low.split(/[_\-. ]+/).filter((part) => part !== '')
    return parts.length === 0 || parts.every((part) => words.has(part))
  }
  return false
}

/** `/run/secrets/db`, `C:\\keys\\db`, `kubernetes.io/tls`: where a secret lies, or of which kind it is. */
const path =
  /^(?:(?:\/|\.{1,2}\/|~\/)[a-z_.][\w.-]*(?:\/[a-z_.][\w.-]*)*\/?|[A-Za-z]:\\[\w\\ .-]+|[a-z\d.-]+\.[a-z]{2,3}\/[a-z-]+)$/
const address = /^[a-z][a-z\d+.-]{1,15}:\/\/(?:[^\s@:?/]+@)?[^\s@?]*$/
const isPath = (text: string): boolean => (path.test(text) || address.test(text)) && !/[\da-z]{20}/i.test(text)

/** A call, or a type: `getpass.getpass()`, `os.getenv("X")`, `Optional[str]`, `Option<String>`, `*string`, `[]byte`. */
const call = /^\[?(?:await |new )?(?!password\()[A-Za-z_$][\w$]*(?:(?:\.|->|::)[A-Za-z_$][\w$]*)*[([]/i
const keyword =
  /^(?:new|await|async|function|lambda|return|typeof|func|fn|def|class|let|const|var|val|struct|this|self)$/
const type =
  /^(?:[(&*?]*(?:Optional|Option|Maybe|List|Vec|Secret|SecretStr|SecretString|string|str|String|StrictStr|text|bytes|char|varchar|Buffer|Uint8Array|any|unknown|object|number|int|boolean|bool)(?:[<[(|?!;,) ].*|\*?)|\[\](?:byte|string|rune).*|(?:Self|self|this|cls|args|opts|options|config|cfg|params|settings|env|req|request|process|secrets|vars?|data|local|module|each|github|inputs|credentials)\.[A-Za-z_$][\w$.]*[;,)]?)$/
/** Whether bytes[start, end), which are not in quotes, are an expression of a program instead of a secret. */
export function isExpression(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > 128) return false
  const text = String.fromCharCode(...bytes.subarray(start, end))
  return call.test(text) || type.test(text) || keyword.test(text)
}
