#!/usr/bin/env bash
# A time-stamp that OpenSSL makes with the chain of its signer in it (`certs =`), read by rfc3161-client.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'rfc3161-client==1.0.9' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(rfc3161-client|cryptography) '
openssl version
cd "$tmp"
cat >config <<'END'
[req]
distinguished_name = name
prompt = no
[name]
CN = An authority
[leaf]
extendedKeyUsage = critical,timeStamping
[ca]
basicConstraints = critical,CA:TRUE
[tsa]
default_tsa = one
[one]
serial = ./serial
signer_cert = ./tsa.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
#CHAIN
END
echo 01 >serial
{
  openssl req -newkey rsa:2048 -nodes -config config -x509 -days 9 -extensions ca -keyout ca.key -out ca.pem
  openssl req -newkey rsa:2048 -nodes -config config -subj "/O=Somebody with a name that is longer than that of the root/CN=A signer" -keyout tsa.key -out tsa.csr
  openssl x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -extfile config -extensions leaf -out tsa.pem
} 2>log || { cat log >&2; exit 1; }
echo something >data
openssl ts -query -data data -sha256 -cert -out asked 2>/dev/null
cat >expected <<'END'
signer alone:      openssl Verification: OK    rfc3161-client takes it
signer and chain:  openssl Verification: OK    rfc3161-client ASN.1 parse error
END
for what in "signer alone:     " "signer and chain: "; do
  chain=
  [[ $what == *chain* ]] && chain='certs = .\/ca.pem'
  sed "s/^#CHAIN\$/$chain/" config >config.now
  openssl ts -reply -config config.now -queryfile asked -out said 2>/dev/null
  ours=$(openssl ts -verify -data data -in said -CAfile ca.pem 2>/dev/null)
  theirs=$(venv/bin/python - <<'END'
import pathlib

from rfc3161_client import decode_timestamp_response

try:
    decode_timestamp_response(pathlib.Path("said").read_bytes())
    print("takes it")
except ValueError as error:
    print(str(error).split(":")[0])
END
)
  echo "$what openssl $ours    rfc3161-client $theirs"
done >seen
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
