/**
 * What is done with well-known keys, unless the config says otherwise: OpenTelemetry semantic conventions 1.45 that carry
 * personal data (their doc comments warn, or Sentry's conventions scrub them), and the usual names of people and places.
 *
 * `scan`: the detectors look at the value, as at any other. The other actions are those of actions.ts.
 */
import { globs, type Matcher } from './globs.ts'
import type { Action } from './treatment.ts'

export interface KeyEntry {
  readonly action: Action | 'scan'
  /** The label of a mask. */
  readonly type: string
}

/** One line a key: key, action, type. A `*` stands for anything. */
const table = `
user.id                          hash        user_id
user.name                        hash        user_name
user.full_name                   mask        person_name
enduser.id                       hash        user_id
db.user                          hash        user_name
session.id                       hash        session_id
session.previous_id              hash        session_id
device.id                        hash        device_id
app.installation.id              hash        device_id
gen_ai.conversation.id           hash        session_id
mcp.session.id                   hash        session_id
messaging.message.conversation_id hash       session_id
client.address                   generalize  ip
source.address                   generalize  ip
destination.address              generalize  ip
http.client_ip                   generalize  ip
net.peer.ip                      generalize  ip
net.sock.peer.addr               generalize  ip
network.peer.address             generalize  ip
geo.location.lat                 generalize  coordinate
geo.location.lon                 generalize  coordinate
geo.postal_code                  generalize  postal_code
client.mac.address               mask        mac
source.mac.address               mask        mac
destination.mac.address          mask        mac
network.peer.mac.address         mask        mac
host.mac                         mask        mac
http.request.header.authorization        mask  secret
http.request.header.proxy-authorization  mask  secret
http.request.header.cookie               mask  secret
http.request.header.x-api-key            mask  secret
http.request.header.x-auth-token         mask  secret
http.request.header.x-csrf-token         mask  secret
http.request.header.x-amz-security-token mask  secret
http.request.header.x-forwarded-for      generalize  ip
http.request.header.x-real-ip            generalize  ip
http.request.header.forwarded            mask  ip
http.response.header.set-cookie          mask  secret
rpc.*.metadata.authorization             mask  secret
rpc.*.metadata.cookie                    mask  secret
tls.client.certificate           mask        certificate
tls.client.certificate_chain     mask        certificate
tls.client.subject               mask        person_name
db.connection_string             scan        secret
aws.secretsmanager.secret.arn    keep        arn
`

/** Exact keys, and globs in order. */
export const keyTable = new Map<string, KeyEntry>()
export const keyGlobs: [Matcher, KeyEntry][] = []
for (const line of table.trim().split('\n')) {
  const [key, action, type] = line.split(/\s+/) as [string, KeyEntry['action'], string]
  if (key.includes('*')) keyGlobs.push([globs([key]), { action, type }])
  else keyTable.set(key, { action, type })
}

/** The last words of a key that name a person or a place; whole words, in the languages of the detectors. */
const people =
  /(?:^| )(?:(?:first|last|full|given|family|middle|maiden|sur|customer|patient|employee|cardholder|holder|recipient|sender|contact) name|surname|firstname|lastname|fullname|voornaam|achternaam|familienaam|naam|prenom|nom de famille|nom complet|vorname|nachname|familienname|apellidos?|nombre completo|cognome|nome completo|nome cognome|sobrenome|imie|nazwisko|imie nazwisko|fornamn|efternamn|fornavn|etternavn|efternavn|etunimi|sukunimi)$/
const places =
  /(?:^| )(?:(?:street|postal|home|billing|shipping|mailing|delivery|residential) address|street|street name|straat|straatnaam|adres|strasse|anschrift|wohnadresse|adresse postale|direccion|domicilio|indirizzo|morada|endereco|ulica|gatuadress|gateadresse|katuosoite)$/

const births =
  /(?:^| )(?:birth date|birthdate|date of birth|dob|birthday|geboortedatum|geburtsdatum|date naissance|date de naissance|fecha nacimiento|fecha de nacimiento|data nascita|data di nascita|data nascimento|data de nascimento|data urodzenia|fodelsedatum|fodselsdato|syntymaaika)$/
const coordinates = /(?:^| )(?:latitude|longitude|geo lat|geo lon|geo lng|gps coordinates?)$/
const postalCodes = /(?:^| )(?:postal code|post code|postcode|zip code|zipcode|plz|code postal|codigo postal)$/

/** The entry for a key by its words, in lower case and separated by spaces. */
export function entryOfWords(words: string): KeyEntry | undefined {
  if (people.test(words)) return { action: 'mask', type: 'person_name' }
  if (places.test(words)) return { action: 'mask', type: 'postal_address' }
  if (births.test(words)) return { action: 'mask', type: 'birth_date' }
  if (coordinates.test(words)) return { action: 'generalize', type: 'coordinate' }
  if (postalCodes.test(words)) return { action: 'generalize', type: 'postal_code' }
  return undefined
}
