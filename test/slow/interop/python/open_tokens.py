"""Opens tokens with off-the-shelf COSE libraries, given the field key.

Reads JSON lines {"token", "key", "aad"} (token without `cose:`, the rest in hex), answers with a line of JSON for each:
what each library made of it, in hex. pycose has no ChaCha20-Poly1305 and is asked for A256GCM only.
"""

import base64
import json
import sys

from cwt import COSE, COSEKey

try:
    from pycose.keys import SymmetricKey
    from pycose.messages import Enc0Message
except ImportError:
    Enc0Message = None


def with_cwt(raw, algorithm, key, aad):
    at = 9 if raw[2] == 0x44 else 8
    kid = raw[at + 2 : at + 34] if raw[at] == 0x58 else raw[at + 1 : at + 17]
    cose_key = COSEKey.from_symmetric_key(key=key, alg=algorithm, kid=kid)
    return COSE.new().decode(raw, cose_key, external_aad=aad).hex()


def with_pycose(raw, key, aad):
    message = Enc0Message.decode(raw)
    message.key = SymmetricKey(key)
    message.external_aad = aad
    return message.decrypt().hex()


for line in sys.stdin:
    asked = json.loads(line)
    token = asked["token"]
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    key, aad = bytes.fromhex(asked["key"]), bytes.fromhex(asked["aad"])
    algorithm = "ChaCha20/Poly1305" if raw[2] == 0x44 else "A256GCM"
    answer = {"algorithm": algorithm, "cwt": with_cwt(raw, algorithm, key, aad)}
    if Enc0Message and algorithm == "A256GCM":
        answer["pycose"] = with_pycose(raw, key, aad)
    print(json.dumps(answer))
