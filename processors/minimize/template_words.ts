/**
 * Words that programmers write into messages: what may stay of a text when only its template is kept (template.ts).
 *
 * Words of everyday and technical English that are used across the documentation and the error messages of open-source
 * packages, and the vocabulary of logs. No names of people or places, no weekdays or months.
 */
export const templateWords: ReadonlySet<string> = new Set(
  `
a ability able abort aborted aborting about above absent absolute absolutely abstract accept acceptable accepted
accepting accepts access accessed accessible accessing accomplish according accordingly account accounts accumulated
accurate achieve achieved across action actions activate active actively actual actually add added adding addition
additional additionally additions address addresses adds adjust adjusted admin administrator advanced affect
affected after again against age agent aims ajv alert algorithm alias aliases aligned alive all allow allowed
allowing allows almost alone along alongside alpha already also alternative alternatives always ambiguous among
amount an analysis anchor and another answer any anymore anything anywhere api app appear appears append appended
appends applicable application applications applied applies apply applying approach appropriate appropriately
approximate arbitrary architecture are aren arg args argument arguments around array arrays arrow article artifacts
as ask asked assert assertion assertions assessed assign assigned assigning associated assumed assumes assumptions
async asynchronous asynchronously at attached attacker attacks attempt attempts attention attribute attributes
authenticated authentication authority authorization authorized auto automated automatic automatically available
average avoid avoiding avoids await awaited aware away back backend backing backpressure backslash backup backups
backwards bad badge bare base based basic batch be because become becomes becoming been before begin beginning
behave behaves behavior behaviour behind being belongs below bench benchmark benchmarking benchmarks benefit best
better between beyond big bigger bigint billing binaries binary bind binding bindings bit bits blank block blocks
body bool boolean booleans boom both bound boundaries boundary bounds box bracket brackets branch branches break
breaking broader broker browser browsers buf buffer buffers bug bugs build builder building builds built bundle
bundled bundler bundlers bundles business but by bypass byte bytes cache cached caches caching calculate call
callback callbacks called caller calling calls can canceled cancelled candidate candidates cannot canonical
capabilities capture captured careful carries carry case cases catch cause caused causes causing caveats certain
certificate certificates chai chain chained chaining chalk change changed changes changing channel char character
characters charge chars charset check checked checking checks checksum child children choice choose chosen chunk
chunks circular class classes clause clauses cleanup clear cli client clients clone cloned cloning close closed
closes closest closing cluster code codebase codecov codegen codes coding coerce coerced coercion cold collect
collected collection collector colon color colors column columns combination combine combined come comes comma
command commands comment comments commercial commit commits committed common commonly communications community
compact comparable compare compared compares comparing comparison compatibility compatible compilation compile
compiled compiler compiles compiling complete completed completely completes completion complex compliance compliant
component components composed compressed compression concatenation concept concern concrete concurrency concurrent
condition conditions config configurable configuration configurations configure configured configures configuring
confirmed conflict conflicts conform conjunction connect connected connecting connection connections consecutive
consider considered considering consistent console const constant constants constraints constructed constructing
construction constructor consume consumed consumer consumes consuming contact contain container containers
containing contains content contents context continue contract contracts contribute contributing contribution
contributions contributors control controlled controls convenience convenient conversion convert converted
converting converts cookie cookies coordinate copied copies copy copying copyright core correct correctly correspond
corresponding corresponds cost costly could count counted counter counts couple cover coverage covers crash crashed
create created creates creating creation credentials critical cron crypto current currently custom customer
customers customization customize cycle cycles dash data database date dates day days deadlock deal dealing debug
debugging decide decided decisions declaration declarations declare declared declares declaring declined decode
decoded decodes decoding decompress decoration decrypted decryption dedicated deep deeply default defaulting
defaults define defined defines defining definition definitions delay delayed delete deleted deleting delimiter
delivered delivery delta demand demo demonstrates denied deno depend dependencies dependency depending depends
deployed deployment deprecated deprecation deps depth dequeued derive derived describe described describes
description descriptions descriptor descriptors design designed desired dest destination destroy destroyed detached
detail detailed details detect detected detection detects determine determined determines determining deterministic
dev developer developers developing development did didn diff differ difference differences different differently
differs digit digits dir direct directly directories directory disable disabled disables disallowed discard discards
disclosure disconnected disconnecting discussion disk dispatch display displayed dispose distinct distinguish
distinguishes distribute distributed distribution do doc docs document documentation documented documents does doesn
doing domain don done dot dots double down download downloaded downloading downloads downstream draft drafts drain
drained drop dropped dropping drops due duplicate duration during dynamic dynamically each earlier early easier
easily easy ecosystem edge edit effect effective efficiency efficient effort either elapsed elected election element
elements else email emails embedded emit emits emitted emitter emitting emoji empty enable enabled enables enabling
encode encoded encodes encoding encountered encounters encrypted encryption end ended ending endpoint ends enforce
enforced enforces engine engines enough enqueued ensure ensuring enterprise entire entirely entities entity entries
entry enum enumerable enums env environment environments epoch equal equality equals equivalent err error errored
errors escape escaped escapes escaping esm especially establish established evaluate even event events ever every
everything evicted exact exactly example examples exceed exceeded exceeds except exception exceptions exclude
excluded excluding exclusion exclusive executable execute executed executing execution exhaustion exist existence
existing exists exit exited exits exp expand expanded expect expected expects expensive experience experimental
expired expires expiry explicit explicitly exploit exponential export exported exporter exporting exports expose
exposed exposes exposing express expression expressions extend extended extends extensible extension extensions
external externally extra extract extracted extremely factory fail failed failing fails failure failures fake fall
fallback falls false falsy family far fashion fast faster fastest fastify fatal favor favorite feature features fee
feedback feel fetch few fewer field fields figure file filename files fill filter filtering filters final finally
find finding finds fine finish finished finite fire fired fires first fit five fix fixed fixes fixtures flag flagged
flags flat float floating flow flush focus folder folders follow followed follower following follows footprint for
forbidden force forget fork forked form format formats formatted formatter formatting forms forward forwarded found
four fourth fragment fragments frame framework frameworks free frequency frequently fresh friendly from frozen full
fullwidth fully fun func function functional functionality functions furnished further furthest future garbage
gateway general generate generated generates generating generation generator generic get gets getter getting git
give given gives giving global globally globals go goal goes going good got gracefully grammar granted great greater
group grouped grouping groups grow guarantee guaranteed guarantees guide guidelines gzip gzipped had half hand
handle handled handler handlers handles handling handy happen happened happens hard has hash hashed have having head
header headers health healthy heartbeat held help helper helpers helpful helps here hereby hidden hide high higher
highly history hit hold holds hook hooks host hostname hosts hot hour hours how however huge hyphens id idea
idempotent identical identically identified identifier identifiers identify identity idle ids if ignore ignored
ignores ignoring illegal image immediately immutable impact implement implementation implemented implementing
implements implicitly implies import important imported importer importing imports improve improvements improving in
include included includes including inclusion inclusive incoming incompatible incorrect incorrectly increase
increment increments indentation independent independently index indexes indicate indicates indicating indices
individual individually individuals infer inferred infinite info information informative inherit inherited inherits
init initial initialization initialized inject injected injection inline inner input inputs insensitive inserted
insertion inserts inside inspect inspired install installation installed installing installs instance instanceof
instances instantiate instantiated instantiating instead instructions int integer integers integrate integration
integrity intended intentionally interact interested interface interfaces intermediate internal internally internals
interpolated interpret interpreted interrupt interval into introduce introduced introduces invalid invitation
invited invocation invoice invoices invoke invoked invokes invoking is isn isolation issue issues it item items
iterable iterate iteration iterator its itself javascript jest job jobs join joined json just keep keeping keeps
kept key keys keyword keywords killed kind kindly know known knows label labels lang language languages large larger
last latency later latest layer lead leader leading leak leaks least leave leaves left legacy length lengths less
let lets letter letters level levels lib libraries library license licenses licensing lifecycle lifetime light
lightweight like likely limit limitation limitations limited limits line linear lines link links lint list listed
listen listener listeners listening lists literal literally literals little live lives load loaded loading loads
local localhost locally located location locations lock locked lodash log logged logger loggers logging logic login
logout logs long longer look looking looks lookup lookups loop loopback loops loosely loss lost lot low lower
lowercase lowest machine made magic mail mailto main maintain maintained maintainer maintainers maintaining
maintenance major make makes making malformed manage managed management manages managing mandatory manipulating
manipulation manner manual manually many map mapped mapping mappings maps marked marks mask match matched matcher
matches matching matrix matter matters maximum may mean meaning means meant measure measuring mechanism mechanisms
media meets member members memory mentioned merge merged message messages met meta metadata method methods metric
metrics middle might migrate migrated migration million milliseconds min mind minified minimal minimum minor minute
minutes mismatch miss missed missing misuse mix mixed mixing mocha mocking mode model modern modes modification
modifications modified modify modifying module modules moment more most mounted move moved moving much multiple must
mutable mutate mutated mutates my name named names namespace naming native naturally nearest necessary need needed
needs negated negative neither neostandard nested nesting network never new newer newline newly next no node nodejs
nodes non none nor normal normalization normalize normalized normalizes normally not notable notation note notes
nothing notice notification now null nullable num number numbers numeric obj object objects observed obtain
obtaining occur occurred occurs octets of off offer offers official offset often ok old older omit omitted omitting
on once one ones ongoing online only onto open opened opening opens operate operates operation operations operator
ops opt optimization optimizations optimize optimized option optional optionally options opts or order ordered
ordering orders ordinary organization origin original originally other others otherwise our out outgoing output
outputs outside over overall overflow overhead overridden override overrides overriding overview overwrite
overwritten own package packages padding pages paid pair pairs panic parallel param parameter parameters params
parens parent parents parse parsed parser parsers parses parsing part partial partially participants particular
partition parts pass passed passes passing password past patch patches path paths pattern patterns pause payload
payment payments peer pending people per percent percentage perf perfectly perform performance performant performed
performs perhaps period permission permissions permit person personal persons phase phone pick pin ping pipe piped
pipeline pipes piping place placed placeholder placeholders places plain plan platform play please plugin plugins
plus pod pods point pointer pointing points policies policy pollution polyfills pong pool pools popular populated
port portions ports pos position positional positions positive possible possibly post postgres potential potentially
practice precedence preceding precise precision predefined prefer preferred prefix prefixed prefixes prefixing
prepended presence present preserve preserved preserves pressure pretty prev prevent preventing prevents previous
previously primarily primary primitive primitives print printed prints prior priority private probably probe problem
problems process processed processes processing produce produced producer produces product production professional
profile program programming progress project projects promise promises promote prop propagate propagated propagates
proper properly properties property proposal props proto protocol protocols prototype provide provided provider
providers provides providing proxies proxy public publication publish published publishing pull purchase purchased
pure purpose purposes push pushes put queries query querystring question questions queue queued quick quickly quota
quote quoted quotes race random range ranges rarely rate rather raw reach reached reaches read readable reader
reading readme reads ready real really reason reasons receive received receiver receives receiving recent recently
recommend recommendation recommended reconnecting record recorded records recoverable recursive recursively red
redact redaction redirect reduce reduced ref refactor refer reference referenced references reflect refreshed refs
refund refunded refused regarding regardless regex regexp register registered registering registration registry
regular reject rejected rejecting rejection rejects related relative release released releases relevant reliably
relies rely relying remain remaining remains remote remove removed removes removing rename renamed render rendering
renewed repeat repeated replace replaced replacement replaces replacing replica repo report reported reporter
reporting reports repository represent representation represented representing represents reproduce req request
requested requests require required requirement requirements requires requiring res reserved reset resets resolution
resolve resolved resolver resolves resolving resource resources respect respective respectively respond response
responses responsible rest restarted restarting restore restored restriction restrictions result resulting results
retain retained retains retried retrieve retry retrying return returned returning returns reuse reused reusing
reverse revert review revoked rewrite rewritten right rights risk role roles rollback rolled rollout root round
route routed routes routing row rows rule rules run runner running runs runtime runtimes safe safely said same
sample sampling sanitize satisfy save saved saving say scalar scale scan scenario scenarios schedule scheduled
scheduler schema schemas scheme scope scoped scratch script scripts search second secondary seconds secret secrets
section secure security see seem seen segment segments select selected selection self sell semantic semantics
semicolon semver send sending sends sensitive sent separate separated separately separator separators sequence
sequences sequentially serialization serialize serialized serializer serializers serializes serializing series
server servers service services session sessions set sets setting settings setup several severity shall shape shard
share shared sharing shim shipped ships short shorter shorthand should shouldn show shown shows shutdown shutting
sibling side sign signal signature signatures signed significant significantly signin signup silent silently similar
simple simpler simply simulate since single singular site situations size skip skipped skipping skips slash slashes
slightly slow slower small smaller smallest smile snapshot so socket software some something sometimes somewhere
soon sort sorted source sourcemap sources space spaces span spans spawning spawns spec special specific
specification specifications specified specify specifying speed split splitting sponsor sponsored sponsors stable
stack stage standalone standard standards star start started starting starts startup state stateful statement
statements static statistics status stay stays stdout step steps still stop stopped stopping stops storage store
stored strategy stream streaming streams strict strictly string stringified stringify strings strip stripped
strongly structure structured structures stuff style styles styling sub subclass subject sublicense submit
subscribed subscription subsequent subset substantial substring succeed succeeded succeeds success successful
successfully such sufficient suffix suitable suite sum summary super supplied supply supplying support supported
supporting supports sure surface surrogate sustainable switch symbol symbols sync synchronous synchronously syntax
syntaxes system systems tab table tables tag tagged tags take taken takes taking target targets task tasks team tell
tells template tenant tenants terminal terminated terms test tested testing tests text than thanks that the their
them then there therefore these they thing things think third this those though thought thousands threat three
threshold throttled throttling through throughput throw throwing thrown throws thus tick til tilde time timed
timeout timeouts timer timers times timestamp timing tiny title to together token tokens too tool tools top topic
total totally trace traces tracing track tracking traditional traffic trailers trailing transaction transactions
transform transformation transforms translated translation transport traversal traversing treat treated treats tree
triage tries trigger triggered triggers trim trimmed true truncated trust trusted trusts truthy try trying tsconfig
tuple turn turned turns twice two type typed typeof types typescript typical typically typings unable unauthorized
unavailable uncaught unchanged undefined under underlying understand undocumented unexpected unhandled unhealthy
unicode union unique unit unix unknown unless unlikely unlocked unmatched unmodified unmounted unnecessary unpkg
unreachable unsafe unset unsigned unsupported until untouched untrusted unused up update updated updates updating
upgrade upload uploaded uploading uploads upon upper uppercase uppercased upstream uri url urn usable usage use used
useful user userinfo username users uses using usual usually util utilities utility utils uuid val valid validate
validated validates validating validation validator validators value values var variable variables variant variants
various vary vectors verbatim verification verified verify verifying versa version versioning versions very via vice
view virtual visible visit void volume vulnerability wait waiting waits walk want wanted wants warmed warn warning
warnings was way ways we web webpack website websocket welcome well were what whatever when whenever where whereas
whether which while whitespace who whole whom whose why width wiki wildcard wildcards will window windows wire wish
with within without won word words work workaround worker workers workflow working works worth would wrap wrapped
wrapper wrapping wraps writable write writer writes writing written wrong yarn years yet yields you your yourself
zero zeros zone
ms id ok
`
    .trim()
    .split(/\s+/),
)

/** Also first names and surnames: in lower case only they are taken for words. */
export const alsoNames: ReadonlySet<string> = new Set(
  'will may long may rich art hope summer stone green wood wells field marsh case penny sterling carter hunter mason major bishop price page banks rivers parks love best sharp small little short strong wise new day noble francis guy miles pierce reed trace'.split(
    ' ',
  ),
)
