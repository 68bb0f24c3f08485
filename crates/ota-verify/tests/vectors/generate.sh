#!/bin/sh
# Makes every file of this folder again, in the current directory. Needs openssl 3 and imgtool 2.5.0.
# The tests do not run it: they read the committed files.
set -eu
mkdir -p keys images signatures

# --- keys: TEST ONLY, published in a repository, worthless as secrets ---
for bits in 2048 3072 4096; do
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:$bits -out keys/rsa$bits.TEST-ONLY.pem
    openssl pkey -in keys/rsa$bits.TEST-ONLY.pem -pubout -outform DER -out keys/rsa$bits.spki.der
done
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out keys/p256.TEST-ONLY.pem
openssl genpkey -algorithm ED25519 -out keys/ed25519.TEST-ONLY.pem
openssl genpkey -algorithm X25519 -out keys/x25519.TEST-ONLY.pem
for name in p256 ed25519; do
    openssl pkey -in keys/$name.TEST-ONLY.pem -pubout -outform DER -out keys/$name.spki.der
done

# --- signatures by openssl over message.txt ---
printf 'The quick brown fox jumps over the lazy dog' >message.txt
openssl dgst -sha256 -binary -out message.sha256 message.txt
openssl dgst -sha1 -binary -out message.sha1 message.txt
rsa() { # bits, name, options of pkeyutl
    bits=$1 name=$2
    shift 2
    openssl pkeyutl -sign -inkey keys/rsa$bits.TEST-ONLY.pem -out signatures/rsa$bits.$name "$@"
}
for bits in 2048 3072 4096; do
    rsa $bits pkcs1 -in message.sha256 -pkeyopt digest:sha256
    rsa $bits pkcs1-sha1 -in message.sha1 -pkeyopt digest:sha1
    rsa $bits pkcs1-no-digest-info -in message.sha256
    for salt in 32 0 20 31 33; do
        rsa $bits pss-salt$salt -in message.sha256 -pkeyopt digest:sha256 \
            -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:$salt
    done
    rsa $bits pss-mgf1-sha1 -in message.sha256 -pkeyopt digest:sha256 \
        -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:32 -pkeyopt rsa_mgf1_md:sha1
done
openssl pkeyutl -sign -inkey keys/p256.TEST-ONLY.pem -in message.sha256 -out signatures/p256.der
openssl pkeyutl -sign -rawin -inkey keys/ed25519.TEST-ONLY.pem -in message.sha256 -out signatures/ed25519

# --- images by imgtool ---
printf 'payload of a test image, forty-eight bytes long.' >payload.bin
VENDOR=3e8a1f52-5f0c-4a3e-9d57-0c9f6a7b1c2d
CLASS=c0ffee00-1234-4678-9abc-def012345678
sign() { # image, key, further options
    image=$1 key=$2
    shift 2
    imgtool sign --key keys/$key.TEST-ONLY.pem --version 1.2.3+4 --header-size 32 --pad-header --align 4 \
        --slot-size 65536 --vid $VENDOR --cid $CLASS "$@" payload.bin images/$image.bin
}
for key in rsa2048 rsa3072 p256 ed25519; do
    sign $key $key --security-counter 7
done
# accepted: a larger header, a fixed address, a boot record and a vendor TLV among the protected ones
sign header-512 p256 --security-counter 7 --header-size 512
sign rom-fixed p256 --security-counter 7 --rom-fixed 0x20000
sign boot-record p256 --security-counter 7 --boot-record app --custom-tlv 0x12a0 hello
# refused
sign no-counter p256
imgtool sign --key keys/p256.TEST-ONLY.pem --version 1.2.3+4 --header-size 32 --pad-header --align 4 \
    --slot-size 65536 --security-counter 7 payload.bin images/no-uuids.bin
sign load-addr p256 --security-counter 7 --load-addr 0x20000000
sign non-bootable p256 --security-counter 7 --non-bootable
sign dependency p256 --security-counter 7 --dependencies '(1, 1.0.0+0)'
sign full-key p256 --security-counter 7 --public-key-format full
sign pure ed25519 --security-counter 7 --pure
sign sha512 ed25519 --security-counter 7 --sha 512
openssl pkey -in keys/x25519.TEST-ONLY.pem -pubout -out keys/x25519.pub.pem
sign encrypted ed25519 --security-counter 7 --encrypt keys/x25519.pub.pem
head -c 4096 /dev/zero >zeros.bin
imgtool sign --key keys/p256.TEST-ONLY.pem --version 1.2.3+4 --header-size 32 --pad-header --align 4 \
    --slot-size 65536 --vid $VENDOR --cid $CLASS --security-counter 7 --compression lzma2 \
    zeros.bin images/compressed.bin
imgtool sign --version 1.2.3+4 --header-size 32 --pad-header --align 4 --slot-size 65536 \
    --vid $VENDOR --cid $CLASS --security-counter 7 payload.bin images/unsigned.bin
rm zeros.bin keys/x25519.pub.pem keys/x25519.TEST-ONLY.pem message.sha1
