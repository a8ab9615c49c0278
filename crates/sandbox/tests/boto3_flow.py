#!/usr/bin/env python3
"""Drives a simulated AWS (KMS and STS) with the official Python client, and wraps with python-cryptography: neither shares a line with the server.

Environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION (default eu-west-1).
Usage: boto3_flow.py [--profile sandbox|ministack|localemu] [--honest]

The script runs unchanged against other emulators. `--profile` only leaves out what an emulator cannot do; every difference stands in this table.

| capability       | sandbox                    | ministack 1.5.33           | localemu 1.3.2                 | right by AWS's documentation               |
|------------------|----------------------------|----------------------------|--------------------------------|--------------------------------------------|
| clock            | /_sandbox/advance          | none                       | none                           | (a tool, not AWS)                          |
| true_cipher      | AES-256-GCM under the      | XOR: a tampered ciphertext | AES-256-GCM                    | sandbox: InvalidCiphertextException        |
|                  | material                   | decrypts                   |                                | (Decrypt)                                  |
| data_keys        | GenerateDataKey*,          | not under imported         | work, see data_key_lengths     | sandbox (GenerateDataKey, ReEncrypt)       |
|                  | ReEncrypt work             | material                   |                                |                                            |
| rotation         | RotateKeyOnDemand, 25 for  | missing                    | rotates; no IDs for old        | sandbox (RotateKeyOnDemand,                |
|                  | life                       |                            | material, no list              | ListKeyRotations)                          |
| material_binding | other bytes refused        | other bytes accepted       | new bytes wait for a rotation; | sandbox: IncorrectKeyMaterialException     |
|                  |                            |                            | with no material taken         | (ImportKeyMaterial)                        |
| expiry_rules     | ValidTo checked in all     | past, > 365 d, with        | taken, ValidTo never shown     | sandbox: "must omit", "future", "365 days" |
|                  | three ways                 | DOES_NOT_EXPIRE ok         |                                |                                            |
| withdrawn        | RSAES_PKCS1_V1_5 refused   | accepted                   | accepted                       | sandbox: withdrawn on 10 October 2023      |
| many_sets        | all sets of 24 h work      | only the newest, once      | all, as often as wanted        | undocumented; both defensible              |
| paging           | default limits, every list | ListAliases never,         | by default limits              | sandbox (ListAliases, ListKeys)            |
|                  |                            | ListKeys if asked          |                                |                                            |
| policy_form      | malformed policies refused | accepted                   | accepted                       | sandbox: MalformedPolicyDocumentException  |
| wrapping_matrix  | RSA_AES only for RSA and   | any material               | any material                   | sandbox: support table of "Encrypt the key |
|                  | ECC keys                   |                            |                                | material"                                  |
| alias_rules      | alias refused as KeyId of  | accepted                   | accepted                       | sandbox: aliases are valid in cryptography |
|                  | changes                    |                            |                                | and DescribeKey                            |
| countdown        | window shown; key closed,  | not shown; not closed;     | second cancel                  | sandbox (ScheduleKeyDeletion, "Key         |
|                  | material may be deleted,   | second cancel accepted;    | DisabledException; material    | states", and DeleteImportedKeyMaterial)    |
|                  | one cancel                 | material may not be        | may not be deleted             |                                            |
|                  |                            | deleted                    |                                |                                            |
| limits           | 50 aliases, 50 tags        | none                       | none                           | sandbox: LimitExceededException (quotas)   |
| places           | foreign Region, account    | not                        | foreign account is NotFound    | sandbox, as recorded from AWS by           |
|                  | told apart                 |                            |                                | LocalStack's tests                         |
| replicas         | PendingImport until the    | Enabled                    | Enabled                        | sandbox (ReplicateKey, "Importing into     |
|                  | same bytes                 |                            |                                | multi-Region keys")                        |
| session_rules    | durations, names, tokens,  | 899 s accepted             | role's own maximum not looked  | sandbox: 900 to 43200 (AssumeRole)         |
|                  | end                        |                            | at                             |                                            |
| alias_types      | UpdateAlias within one     | across types               | across types                   | sandbox (UpdateAlias)                      |
|                  | type only                  |                            |                                |                                            |
| material_rules   | IncorrectKeyMaterial       | right                      | wrong lengths, curves,         | sandbox: IncorrectKeyMaterialException     |
|                  |                            |                            | trailing bytes taken           | (ImportKeyMaterial)                        |
| token_binding    | bound to the key           | right                      | any key; unknown token         | sandbox: InvalidImportTokenException       |
|                  |                            |                            | NotFoundException              | (ImportKeyMaterial)                        |
| unwrap_errors    | InvalidCiphertext          | right                      | 500 InternalError              | sandbox: InvalidCiphertextException        |
|                  |                            |                            |                                | (ImportKeyMaterial)                        |
| algorithm_names  | unknown names refused      | right                      | unknown names taken            | sandbox: closed lists of values            |
|                  |                            |                            |                                | (GetParametersForImport)                   |
| deletion_answer  | KeyId in the answer        | right                      | empty                          | sandbox: response of                       |
|                  |                            |                            |                                | DeleteImportedKeyMaterial                  |
| policy_name      | may be left out            | right                      | must be given                  | sandbox: "default" if left out             |
|                  |                            |                            |                                | (GetKeyPolicy, PutKeyPolicy)               |
| material_named   | KeyMaterialId in Decrypt   | (true_cipher)              | left out                       | sandbox: response of Decrypt               |
| truncated_said   | Truncated always there     | (paging)                   | left out when false            | sandbox, as AWS's examples show it         |
|                  |                            |                            |                                | (ListKeys)                                 |
| markers          | invented ones refused      | (paging)                   | taken for none                 | sandbox: InvalidMarkerException (ListKeys, |
|                  |                            |                            |                                | ListAliases)                               |
| dry_run          | DryRunOperation            | (true_cipher)              | DryRun not looked at           | sandbox: DryRunOperationException          |
|                  |                            |                            |                                | (Encrypt)                                  |
| data_key_lengths | any length; one way to say | (data_keys)                | NumberOfBytes not looked at,   | sandbox: GenerateDataKey, NumberOfBytes    |
|                  |                            |                            | none asked                     | and KeySpec                                |
| denial_code      | AccessDeniedException      | right                      | AccessDenied                   | sandbox: Common Errors of KMS              |
| grant_rules      | a name makes one grant;    | one name, two grants       | the key's id, not its ARN, in  | sandbox: CreateGrant, Name; GrantListEntry |
|                  | the list has the key's ARN |                            | the list                       |                                            |
| signatures       | checked                    | right                      | not checked                    | sandbox: Signature Version 4               |
"""
import argparse
import hmac
import inspect
import json
import os
import sys
import traceback
import urllib.request
from datetime import datetime, timedelta, timezone

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError
except ImportError:
    sys.exit("boto3 is missing: pip install boto3, or set KEYSTEAD_PYTHON to an interpreter that has it")
try:
    from cryptography.hazmat.primitives import hashes, keywrap, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
except ImportError:
    sys.exit("cryptography is missing: pip install cryptography, or set KEYSTEAD_PYTHON to an interpreter that has it")

LACKING = {
    "sandbox": set(),
    "ministack": {
        "clock", "true_cipher", "data_keys", "rotation", "material_binding", "expiry_rules", "withdrawn", "many_sets", "paging",
        "policy_form", "wrapping_matrix", "alias_rules", "alias_types", "countdown", "limits", "places", "replicas", "session_rules", "grant_rules",
    },
    "localemu": {
        "clock", "rotation", "material_binding", "expiry_rules", "withdrawn", "policy_form", "wrapping_matrix", "alias_rules", "alias_types",
        "countdown", "limits", "places", "replicas", "session_rules", "material_rules", "token_binding", "unwrap_errors", "algorithm_names",
        "deletion_answer", "policy_name", "material_named", "truncated_said", "markers", "dry_run", "data_key_lengths", "denial_code", "signatures",
        "grant_rules",
    },
}
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = os.environ.get("AWS_REGION", "eu-west-1")
ACCOUNT = None
KMS = None
PROFILE = "sandbox"
DAY = 86_400


def can(capability):
    return capability not in LACKING[PROFILE]


def client(service, key=None, secret=None, token=None, region=REGION):
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    return boto3.client(service, endpoint_url=ENDPOINT, region_name=region, aws_access_key_id=key or os.environ["AWS_ACCESS_KEY_ID"],
                        aws_secret_access_key=secret or os.environ["AWS_SECRET_ACCESS_KEY"], aws_session_token=token, config=config)


def refused(code, call, **arguments):
    """Calls, asserts the error's code, and gives its message."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, f"expected {code}, got {error}"
        return error.response["Error"].get("Message", "")
    raise AssertionError(f"expected {code}, got an answer: {answer}")


class NoControl(Exception):
    """The test came to where it needs the sandbox's own clock or records."""


def control(path, body=None, method=None):
    if not can("clock"):
        raise NoControl(path)
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{ENDPOINT}/_sandbox/{path}", data=data, method=method)) as answer:
        return json.load(answer)


def advance(seconds):
    return control("advance", {"micros": int(seconds * 1_000_000)})


def now():
    """The emulator's time, in seconds."""
    return control("clock")["now_micros"] / 1e6 if can("clock") else datetime.now(timezone.utc).timestamp()


# Wrapping, as the sender does it (cloud-byok.md, section 1).

def oaep(name):
    algorithm = hashes.SHA1() if name.endswith("SHA_1") else hashes.SHA256()
    return padding.OAEP(mgf=padding.MGF1(algorithm), algorithm=algorithm, label=None)


def wrap(parameters, algorithm, material):
    public = serialization.load_der_public_key(parameters["PublicKey"])
    if algorithm.startswith("RSAES_OAEP"):
        return public.encrypt(material, oaep(algorithm))
    kek = os.urandom(32)
    return public.encrypt(kek, oaep(algorithm)) + keywrap.aes_key_wrap_with_padding(kek, material)


def external_key(spec="SYMMETRIC_DEFAULT", usage="ENCRYPT_DECRYPT", **more):
    return KMS.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage, **more)["KeyMetadata"]["KeyId"]


def parameters(key, algorithm="RSAES_OAEP_SHA_256", spec="RSA_2048"):
    return KMS.get_parameters_for_import(KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec=spec)


def import_call(key, material, algorithm="RSAES_OAEP_SHA_256", spec="RSA_2048", **more):
    given = parameters(key, algorithm, spec)
    more.setdefault("ExpirationModel", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    return dict(KeyId=key, ImportToken=given["ImportToken"], EncryptedKeyMaterial=wrap(given, algorithm, material), **more)


def import_into(key, material, *rest, **more):
    return KMS.import_key_material(**import_call(key, material, *rest, **more))


def filled_key(material=None, **more):
    key = external_key(**more)
    import_into(key, material or os.urandom(32))
    return key


def state(key):
    return KMS.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]


def pages(call, member, **arguments):
    items, marker, rounds = [], {}, 0
    while True:
        answer = call(**arguments, **marker)
        items += answer[member]
        rounds += 1
        if not (answer["Truncated"] if can("truncated_said") else answer.get("Truncated")):
            assert "NextMarker" not in answer
            return items, rounds
        marker = {"Marker": answer["NextMarker"]}


# The tests. Each is a sentence.

def test_a_new_external_key_waits_for_its_material_and_shows_no_member_that_does_not_apply():
    raw = {}
    KMS.meta.events.register("after-call.kms.CreateKey", lambda http_response, **_: raw.update(json.loads(http_response.content)), unique_id="raw")
    answer = KMS.create_key(Origin="EXTERNAL", Description="d", Tags=[{"TagKey": "keystead:id", "TagValue": "1"}])["KeyMetadata"]
    KMS.meta.events.unregister("after-call.kms.CreateKey", unique_id="raw")
    assert (answer["KeyState"], answer["Enabled"], answer["Origin"]) == ("PendingImport", False, "EXTERNAL")
    assert (answer["KeySpec"], answer["KeyUsage"], answer["KeyManager"]) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "CUSTOMER")
    assert answer["Arn"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{answer['KeyId']}"
    assert answer["EncryptionAlgorithms"] == ["SYMMETRIC_DEFAULT"]
    absent = {"ValidTo", "DeletionDate", "ExpirationModel", "CurrentKeyMaterialId", "MultiRegionConfiguration", "PendingDeletionWindowInDays"}
    assert not absent & raw["KeyMetadata"].keys() and None not in raw["KeyMetadata"].values()
    assert KMS.list_resource_tags(KeyId=answer["KeyId"])["Tags"] == [{"TagKey": "keystead:id", "TagValue": "1"}]
    refused("KMSInvalidStateException", KMS.encrypt, KeyId=answer["KeyId"], Plaintext=b"x")


def test_every_wrapping_of_a_symmetric_key_is_unwrapped_for_real():
    for spec in ("RSA_2048", "RSA_3072", "RSA_4096"):
        for algorithm in ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"):
            key = external_key()
            given = parameters(key, algorithm, spec)
            bits = serialization.load_der_public_key(given["PublicKey"]).key_size
            assert bits == int(spec[4:]), (spec, bits)
            assert given["KeyId"].endswith(key)
            left = given["ParametersValidTo"].timestamp() - now()
            assert abs(left - DAY) < 60, left
            blob = wrap(given, algorithm, os.urandom(32))
            answer = KMS.import_key_material(KeyId=key, ImportToken=given["ImportToken"], EncryptedKeyMaterial=blob,
                                             ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")
            assert answer["KeyId"].endswith(key)
            assert state(key) == "Enabled"


def test_hmac_material_is_the_one_that_was_sent():
    for bits, length in ((224, 28), (256, 32), (384, 48), (512, 64)):
        key, material = external_key(f"HMAC_{bits}", "GENERATE_VERIFY_MAC"), os.urandom(length)
        import_into(key, material)
        mac = KMS.generate_mac(KeyId=key, Message=b"message", MacAlgorithm=f"HMAC_SHA_{bits}")["Mac"]
        assert mac == hmac.new(material, b"message", f"sha{bits}").digest()
        refused("KMSInvalidMacException", KMS.verify_mac, KeyId=key, Message=b"massage", Mac=mac, MacAlgorithm=f"HMAC_SHA_{bits}")
        assert KMS.verify_mac(KeyId=key, Message=b"message", Mac=mac, MacAlgorithm=f"HMAC_SHA_{bits}")["MacValid"]


def private_der(private):
    return private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def public_der(private):
    return private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_private_keys_give_the_public_key_that_belongs_to_them():
    curves = {"ECC_NIST_P256": ec.SECP256R1(), "ECC_NIST_P384": ec.SECP384R1(), "ECC_NIST_P521": ec.SECP521R1(), "ECC_SECG_P256K1": ec.SECP256K1()}
    made = [(spec, ec.generate_private_key(curve), "ECDSA_SHA_" + {"384": "384", "521": "512"}.get(spec[-3:], "256")) for spec, curve in curves.items()]
    made.append(("RSA_2048", rsa.generate_private_key(65537, 2048), "RSASSA_PSS_SHA_256"))
    for spec, private, signing in made:
        key = external_key(spec, "SIGN_VERIFY")
        import_into(key, private_der(private), "RSA_AES_KEY_WRAP_SHA_256", "RSA_3072")
        assert KMS.get_public_key(KeyId=key)["PublicKey"] == public_der(private), spec
        signature = KMS.sign(KeyId=key, Message=b"message", SigningAlgorithm=signing)["Signature"]
        assert KMS.verify(KeyId=key, Message=b"message", Signature=signature, SigningAlgorithm=signing)["SignatureValid"]
        algorithm = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[signing[-3:]]
        if spec == "RSA_2048":
            scheme = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=padding.PSS.DIGEST_LENGTH)
            private.public_key().verify(signature, b"message", scheme, algorithm)
        else:
            private.public_key().verify(signature, b"message", ec.ECDSA(algorithm))


def test_material_of_the_wrong_kind_is_refused():
    p256 = private_der(ec.generate_private_key(ec.SECP256R1()))
    cases = [("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", os.urandom(16), "RSAES_OAEP_SHA_256"),
             ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", os.urandom(33), "RSAES_OAEP_SHA_256"),
             ("HMAC_256", "GENERATE_VERIFY_MAC", os.urandom(31), "RSAES_OAEP_SHA_256"),
             ("ECC_NIST_P384", "SIGN_VERIFY", p256, "RSA_AES_KEY_WRAP_SHA_256"),
             ("ECC_NIST_P256", "SIGN_VERIFY", os.urandom(138), "RSA_AES_KEY_WRAP_SHA_256"),
             ("ECC_NIST_P256", "SIGN_VERIFY", p256 + b"\0", "RSA_AES_KEY_WRAP_SHA_256")]
    for spec, usage, material, algorithm in cases if can("material_rules") else ():
        key = external_key(spec, usage)
        refused("IncorrectKeyMaterialException", KMS.import_key_material, **import_call(key, material, algorithm))
        assert state(key) == "PendingImport"


def test_a_token_is_for_one_key_whole_and_for_a_day():
    one, two = external_key(), external_key()
    call = import_call(one, os.urandom(32))
    if can("token_binding"):
        refused("InvalidImportTokenException", KMS.import_key_material, **{**call, "KeyId": two})
        damaged = bytearray(call["ImportToken"])
        damaged[len(damaged) // 2] ^= 1
        refused("InvalidImportTokenException", KMS.import_key_material, **{**call, "ImportToken": bytes(damaged)})
    if can("unwrap_errors"):
        call = import_call(one, os.urandom(32))
        spoiled = bytearray(call["EncryptedKeyMaterial"])
        spoiled[-1] ^= 1
        refused("InvalidCiphertextException", KMS.import_key_material, **{**call, "EncryptedKeyMaterial": bytes(spoiled)})
    if can("clock"):
        call = import_call(one, os.urandom(32))
        advance(DAY + 1)
        refused("ExpiredImportTokenException", KMS.import_key_material, **call)
    assert state(one) == "PendingImport"


def test_two_sets_may_be_outstanding_and_do_not_mix():
    if not can("many_sets"):
        return
    key, material = external_key(), os.urandom(32)
    # Every pair of the sandbox's pool must exist before two sets in a row are sure to differ.
    first, second = parameters(key), parameters(key)
    while first["PublicKey"] == second["PublicKey"]:
        first, second = second, parameters(key)
    swapped = dict(KeyId=key, ImportToken=second["ImportToken"], EncryptedKeyMaterial=wrap(first, "RSAES_OAEP_SHA_256", material))
    if can("unwrap_errors"):
        refused("InvalidCiphertextException", KMS.import_key_material, **swapped, ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")
    right = {**swapped, "ImportToken": first["ImportToken"]}
    KMS.import_key_material(**right, ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")
    assert state(key) == "Enabled"


def test_the_wrong_hash_does_not_open():
    if not can("unwrap_errors"):
        return
    key = external_key()
    given = parameters(key, "RSAES_OAEP_SHA_256")
    blob = wrap(given, "RSAES_OAEP_SHA_1", os.urandom(32))
    refused("InvalidCiphertextException", KMS.import_key_material, KeyId=key, ImportToken=given["ImportToken"], EncryptedKeyMaterial=blob,
            ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")


def test_the_wrapping_must_suit_the_key():
    if can("withdrawn"):
        refused("UnsupportedOperationException", parameters, key=external_key(), algorithm="RSAES_PKCS1_V1_5")
    if can("wrapping_matrix"):
        refused("UnsupportedOperationException", parameters, key=external_key(), algorithm="RSA_AES_KEY_WRAP_SHA_256")
        refused("UnsupportedOperationException", parameters, key=external_key("RSA_2048", "SIGN_VERIFY"), algorithm="RSAES_OAEP_SHA_256")
        refused("UnsupportedOperationException", parameters, key=external_key("ECC_NIST_P521", "SIGN_VERIFY"), algorithm="RSAES_OAEP_SHA_256")
    if can("algorithm_names"):
        refused("ValidationException", parameters, key=external_key(), algorithm="RSAES_OAEP_SHA_512")
    own = KMS.create_key()["KeyMetadata"]["KeyId"]
    refused("UnsupportedOperationException", parameters, key=own)


def test_the_expiry_must_be_given_in_the_future_and_within_a_year():
    key = external_key()
    refused("ValidationException", KMS.import_key_material, **import_call(key, os.urandom(32), ExpirationModel="KEY_MATERIAL_EXPIRES"))
    if can("expiry_rules"):
        at = lambda days: datetime.fromtimestamp(now() + days * DAY, timezone.utc)
        for model, days in (("KEY_MATERIAL_DOES_NOT_EXPIRE", 9), ("KEY_MATERIAL_EXPIRES", -1), ("KEY_MATERIAL_EXPIRES", 366)):
            refused("ValidationException", KMS.import_key_material, **import_call(key, os.urandom(32), ExpirationModel=model, ValidTo=at(days)))
    assert state(key) == "PendingImport"


def test_material_expires_on_its_day_and_the_same_bytes_bring_the_key_back():
    if not can("clock"):
        return
    key, material = external_key(), os.urandom(32)
    end = datetime.fromtimestamp(int(now()) + 30 * DAY, timezone.utc)
    import_into(key, material, ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=end)
    blob = KMS.encrypt(KeyId=key, Plaintext=b"hello")["CiphertextBlob"]
    described = KMS.describe_key(KeyId=key)["KeyMetadata"]
    assert (described["ExpirationModel"], described["ValidTo"]) == ("KEY_MATERIAL_EXPIRES", end)
    advance(29 * DAY)
    assert state(key) == "Enabled"
    seen = control("events")["last"]
    advance(DAY + 60)
    described = KMS.describe_key(KeyId=key)["KeyMetadata"]
    assert described["KeyState"] == "PendingImport" and "ValidTo" not in described and "ExpirationModel" not in described
    expired = [event for event in control(f"events?since={seen}")["events"] if event["eventName"] == "DeleteExpiredKeyMaterial"]
    assert [event["serviceEventDetails"]["keyId"] for event in expired] == [key]
    assert expired[0]["eventType"] == "AwsServiceEvent"
    refused("KMSInvalidStateException", KMS.decrypt, CiphertextBlob=blob)
    import_into(key, material)
    assert KMS.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"


def test_a_key_takes_only_the_material_that_it_had():
    key, material = external_key(), os.urandom(32)
    first = import_into(key, material)
    KMS.delete_imported_key_material(KeyId=key)
    assert state(key) == "PendingImport"
    if can("material_binding"):
        refused("IncorrectKeyMaterialException", KMS.import_key_material, **import_call(key, os.urandom(32)))
        refused("IncorrectKeyMaterialException", KMS.import_key_material, **import_call(key, material, ImportType="NEW_KEY_MATERIAL"))
        assert state(key) == "PendingImport"
    again = import_into(key, material)
    assert state(key) == "Enabled"
    assert len(first["KeyMaterialId"]) == 64 and first["KeyMaterialId"] == again["KeyMaterialId"]
    assert KMS.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"] == first["KeyMaterialId"]
    assert import_into(external_key(), material)["KeyMaterialId"] != first["KeyMaterialId"]


def test_deleting_material_twice_does_no_harm():
    key = filled_key()
    for _ in range(2):
        answer = KMS.delete_imported_key_material(KeyId=key)
        assert not can("deletion_answer") or answer["KeyId"].endswith(key)
        assert state(key) == "PendingImport"


def test_encryption_is_bound_to_material_context_and_key():
    key = filled_key()
    context = {"purpose": "test", "b": "2"}
    sealed = KMS.encrypt(KeyId=key, Plaintext=b"hello", EncryptionContext=context)
    blob = sealed["CiphertextBlob"]
    opened = KMS.decrypt(CiphertextBlob=blob, EncryptionContext=dict(reversed(context.items())))
    assert opened["Plaintext"] == b"hello" and opened["KeyId"].endswith(key)
    if not can("true_cipher"):
        return
    assert not can("material_named") or opened["KeyMaterialId"] == KMS.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    refused("InvalidCiphertextException", KMS.decrypt, CiphertextBlob=blob)
    refused("InvalidCiphertextException", KMS.decrypt, CiphertextBlob=blob, EncryptionContext={**context, "b": "3"})
    for index in range(0, len(blob), 7):
        tampered = bytearray(blob)
        tampered[index] ^= 1
        try:
            KMS.decrypt(CiphertextBlob=bytes(tampered), EncryptionContext=context)
        except ClientError as error:
            # A tampered key id names another key, which is AccessDenied as at AWS.
            elsewhere = "AccessDeniedException" if can("places") else "NotFoundException"
            assert error.response["Error"]["Code"] in ("InvalidCiphertextException", "AccessDeniedException", elsewhere), index
            continue
        raise AssertionError(f"byte {index} was changed and it decrypted")
    refused("IncorrectKeyException", KMS.decrypt, CiphertextBlob=blob, EncryptionContext=context, KeyId=filled_key())
    assert KMS.decrypt(CiphertextBlob=blob, EncryptionContext=context, KeyId=key)["Plaintext"] == b"hello"
    refused("ValidationException", KMS.encrypt, KeyId=key, Plaintext=b"x" * 4097)
    if can("dry_run"):
        refused("DryRunOperationException", KMS.encrypt, KeyId=key, Plaintext=b"x", DryRun=True)


def test_equal_material_in_two_keys_does_not_decrypt_across_them():
    if not can("true_cipher"):
        return
    material = os.urandom(32)
    one, two = filled_key(material), filled_key(material)
    blob = KMS.encrypt(KeyId=one, Plaintext=b"hello")["CiphertextBlob"]
    refused("IncorrectKeyException", KMS.decrypt, CiphertextBlob=blob, KeyId=two)


def test_data_keys_and_reencryption():
    if not can("data_keys"):
        return
    one, two = filled_key(), filled_key()
    made = KMS.generate_data_key(KeyId=one, KeySpec="AES_256", EncryptionContext={"a": "b"})
    assert len(made["Plaintext"]) == 32
    assert KMS.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})["Plaintext"] == made["Plaintext"]
    bare = KMS.generate_data_key_without_plaintext(KeyId=one, NumberOfBytes=17)
    assert "Plaintext" not in bare
    assert not can("data_key_lengths") or len(KMS.decrypt(CiphertextBlob=bare["CiphertextBlob"])["Plaintext"]) == 17
    if can("data_key_lengths"):
        refused("ValidationException", KMS.generate_data_key, KeyId=one)
        refused("ValidationException", KMS.generate_data_key, KeyId=one, KeySpec="AES_256", NumberOfBytes=32)
    moved = KMS.re_encrypt(CiphertextBlob=made["CiphertextBlob"], SourceEncryptionContext={"a": "b"}, DestinationKeyId=two)
    assert moved["SourceKeyId"].endswith(one) and moved["KeyId"].endswith(two)
    opened = KMS.decrypt(CiphertextBlob=moved["CiphertextBlob"])
    assert opened["Plaintext"] == made["Plaintext"] and opened["KeyId"].endswith(two)


def test_disabling_stops_use_and_enabling_brings_it_back():
    key = filled_key()
    KMS.disable_key(KeyId=key)
    described = KMS.describe_key(KeyId=key)["KeyMetadata"]
    assert (described["KeyState"], described["Enabled"]) == ("Disabled", False)
    message = refused("DisabledException", KMS.encrypt, KeyId=key, Plaintext=b"x")
    assert "is disabled" in message
    KMS.enable_key(KeyId=key)
    assert state(key) == "Enabled"


def test_deletion_counts_down_can_be_cancelled_and_ends_the_key_and_its_aliases():
    key = filled_key()
    alias = f"alias/doomed-{key}"
    KMS.create_alias(AliasName=alias, TargetKeyId=key)
    for days in (6, 31):
        refused("ValidationException", KMS.schedule_key_deletion, KeyId=key, PendingWindowInDays=days)
    answer = KMS.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert answer["KeyState"] == "PendingDeletion"
    assert not can("countdown") or answer["PendingWindowInDays"] == 7
    assert abs(answer["DeletionDate"].timestamp() - now() - 7 * DAY) < 60
    assert KMS.describe_key(KeyId=key)["KeyMetadata"]["DeletionDate"] == answer["DeletionDate"]
    assert "pending deletion" in refused("KMSInvalidStateException", KMS.encrypt, KeyId=key, Plaintext=b"x")
    for call in (KMS.enable_key, KMS.disable_key, KMS.schedule_key_deletion) if can("countdown") else ():
        assert "pending deletion" in refused("KMSInvalidStateException", call, KeyId=key)
    KMS.cancel_key_deletion(KeyId=key)
    assert state(key) == "Disabled"
    assert "DeletionDate" not in KMS.describe_key(KeyId=key)["KeyMetadata"]
    if can("countdown"):
        refused("KMSInvalidStateException", KMS.cancel_key_deletion, KeyId=key)
    if not can("clock"):
        return
    KMS.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    advance(7 * DAY + 60)
    message = refused("NotFoundException", KMS.describe_key, KeyId=key)
    assert message == f"Key 'arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}' does not exist"
    refused("NotFoundException", KMS.describe_key, KeyId=alias)


def test_material_deleted_in_the_countdown_leaves_pending_import_after_the_cancel():
    key = filled_key()
    if not can("countdown"):
        return
    KMS.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    KMS.delete_imported_key_material(KeyId=key)
    assert state(key) == "PendingDeletion"
    KMS.cancel_key_deletion(KeyId=key)
    assert state(key) == "PendingImport"


def test_aliases_move_and_are_keys_only_where_aws_says_so():
    one, two = filled_key(), filled_key()
    alias = f"alias/test-{one}"
    KMS.create_alias(AliasName=alias, TargetKeyId=one)
    refused("AlreadyExistsException", KMS.create_alias, AliasName=alias, TargetKeyId=two)
    assert KMS.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"] == one
    sealed = KMS.encrypt(KeyId=alias, Plaintext=b"x")
    KMS.update_alias(AliasName=alias, TargetKeyId=two)
    assert KMS.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"] == two
    assert [item["AliasName"] for item in KMS.list_aliases(KeyId=two)["Aliases"]] == [alias]
    assert KMS.list_aliases(KeyId=one)["Aliases"] == []
    assert KMS.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["KeyId"].endswith(one)
    refused("ValidationException", KMS.create_alias, AliasName="no-prefix", TargetKeyId=one)
    refused("NotFoundException", KMS.update_alias, AliasName="alias/nobody", TargetKeyId=one)
    if can("alias_rules"):
        refused("NotFoundException", KMS.disable_key, KeyId=alias)
        refused("NotFoundException", parameters, key=alias)
        refused("InvalidAliasNameException", KMS.create_alias, AliasName="alias/aws/mine", TargetKeyId=one)
    if can("alias_types"):
        refused("ValidationException", KMS.update_alias, AliasName=alias, TargetKeyId=external_key("HMAC_256", "GENERATE_VERIFY_MAC"))
    KMS.delete_alias(AliasName=alias)
    refused("NotFoundException", KMS.describe_key, KeyId=alias)
    refused("NotFoundException", KMS.delete_alias, AliasName=alias)


def test_a_key_has_at_most_fifty_aliases_and_fifty_tags():
    if not can("limits"):
        return
    key = external_key()
    for index in range(50):
        KMS.create_alias(AliasName=f"alias/{key}-{index}", TargetKeyId=key)
    refused("LimitExceededException", KMS.create_alias, AliasName=f"alias/{key}-50", TargetKeyId=key)
    tags = [{"TagKey": f"k{index}", "TagValue": "v"} for index in range(51)]
    KMS.tag_resource(KeyId=key, Tags=tags[:50])
    refused("LimitExceededException", KMS.tag_resource, KeyId=key, Tags=tags[50:])
    refused("TagException", KMS.tag_resource, KeyId=key, Tags=[{"TagKey": "aws:x", "TagValue": "v"}])
    KMS.untag_resource(KeyId=key, TagKeys=["k0"])
    items, rounds = pages(KMS.list_resource_tags, "Tags", KeyId=key, Limit=20)
    assert (len(items), rounds) == (49, 3)


def test_lists_come_in_pages():
    keys = {external_key() for _ in range(7)}
    if not can("paging"):
        return
    everything, rounds = pages(KMS.list_keys, "Keys", Limit=3)
    assert keys <= {item["KeyId"] for item in everything} and len({item["KeyId"] for item in everything}) == len(everything)
    assert rounds == -(-len(everything) // 3)
    key = keys.pop()
    names = [f"alias/page-{key}-{index}" for index in range(5)]
    for name in names:
        KMS.create_alias(AliasName=name, TargetKeyId=key)
    listed, rounds = pages(KMS.list_aliases, "Aliases", KeyId=key, Limit=2)
    assert ([item["AliasName"] for item in listed], rounds) == (names, 3)
    everything = [item["AliasName"] for page in KMS.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 2}) for item in page["Aliases"]]
    assert set(names) <= set(everything) and len(set(everything)) == len(everything)
    if not can("markers"):
        return
    refused("InvalidMarkerException", KMS.list_keys, Marker="invented")
    marker = KMS.list_keys(Limit=1)["NextMarker"]
    refused("InvalidMarkerException", KMS.list_aliases, Marker=marker)
    for limit in (0, 1001):
        refused("ValidationException", KMS.list_keys, Limit=limit)
    refused("ValidationException", KMS.list_aliases, Limit=101)


def test_rotation_with_new_material_keeps_old_ciphertexts_readable():
    if not can("rotation"):
        return
    old, new = os.urandom(32), os.urandom(32)
    key = external_key()
    first = import_into(key, old, KeyMaterialDescription="version 1")["KeyMaterialId"]
    blob = KMS.encrypt(KeyId=key, Plaintext=b"old")["CiphertextBlob"]
    assert "No available key material pending rotation" in refused("KMSInvalidStateException", KMS.rotate_key_on_demand, KeyId=key)
    second = import_into(key, new, ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="version 2")["KeyMaterialId"]
    refused("KMSInvalidStateException", KMS.import_key_material, **import_call(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL"))
    refused("IncorrectKeyMaterialException", KMS.import_key_material, **import_call(key, os.urandom(32), ImportType="EXISTING_KEY_MATERIAL"))
    listed = KMS.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [(entry["KeyMaterialId"], entry["KeyMaterialState"]) for entry in listed] == [(first, "CURRENT"), (second, "PENDING_ROTATION")]
    assert KMS.list_key_rotations(KeyId=key)["Rotations"] == []
    KMS.rotate_key_on_demand(KeyId=key)
    described = KMS.describe_key(KeyId=key)["KeyMetadata"]
    assert (described["CurrentKeyMaterialId"], described["KeyState"]) == (second, "Enabled")
    assert KMS.decrypt(CiphertextBlob=blob)["KeyMaterialId"] == first
    rotated = KMS.list_key_rotations(KeyId=key)["Rotations"]
    assert [(entry["KeyMaterialId"], entry["RotationType"], entry["KeyMaterialDescription"]) for entry in rotated] == [(second, "ON_DEMAND", "version 2")]
    # Every material that belongs to the key must be there.
    KMS.delete_imported_key_material(KeyId=key, KeyMaterialId=first)
    assert state(key) == "PendingImport"
    asserted = dict(ImportType="EXISTING_KEY_MATERIAL", KeyMaterialId=second)
    refused("IncorrectKeyMaterialException", KMS.import_key_material, **import_call(key, old, **asserted))
    import_into(key, old, ImportType="EXISTING_KEY_MATERIAL", KeyMaterialId=first)
    assert state(key) == "Enabled" and KMS.decrypt(CiphertextBlob=blob)["Plaintext"] == b"old"
    refused("ValidationException", KMS.import_key_material, **import_call(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL", KeyMaterialId=first))


def test_a_key_rotates_twenty_five_times_in_its_life():
    if not can("rotation"):
        return
    key = filled_key()
    for turn in range(26):
        import_into(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
        if turn < 25:
            KMS.rotate_key_on_demand(KeyId=key)
    refused("LimitExceededException", KMS.rotate_key_on_demand, KeyId=key)
    assert len(pages(KMS.list_key_rotations, "Rotations", KeyId=key, Limit=10)[0]) == 25


def test_only_symmetric_keys_rotate_and_take_an_import_type():
    if not can("rotation"):
        return
    key, material = external_key("HMAC_256", "GENERATE_VERIFY_MAC"), os.urandom(32)
    refused("UnsupportedOperationException", KMS.import_key_material, **import_call(key, material, ImportType="NEW_KEY_MATERIAL"))
    assert "KeyMaterialId" not in import_into(key, material)
    refused("UnsupportedOperationException", KMS.rotate_key_on_demand, KeyId=key)
    refused("IncorrectKeyMaterialException", KMS.import_key_material, **import_call(key, os.urandom(32)))


def test_grants_are_made_once_a_name_listed_and_revoked():
    key = filled_key()
    ask = dict(KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:role/app", Operations=["Decrypt", "DescribeKey"])
    first, second = KMS.create_grant(**ask)["GrantId"], KMS.create_grant(**ask)["GrantId"]
    assert first != second
    listed = KMS.list_grants(KeyId=key)["Grants"]
    assert {grant["GrantId"] for grant in listed} == {first, second} and sorted(listed[0]["Operations"]) == ["Decrypt", "DescribeKey"]
    assert listed[0]["GranteePrincipal"] == ask["GranteePrincipal"] and listed[0]["KeyId"].endswith(key)
    KMS.revoke_grant(KeyId=key, GrantId=first)
    assert [grant["GrantId"] for grant in KMS.list_grants(KeyId=key)["Grants"]] == [second]
    if not can("grant_rules"):
        return
    assert listed[0]["KeyId"].endswith(f":key/{key}")
    named = KMS.create_grant(Name="once", **ask)
    again = KMS.create_grant(Name="once", **ask)
    assert (named["GrantId"], named["GrantToken"]) == (again["GrantId"], again["GrantToken"])
    refused("NotFoundException", KMS.revoke_grant, KeyId=key, GrantId=first)
    refused("ValidationException", KMS.create_grant, **{**ask, "Operations": ["PutKeyPolicy"]})
    refused("InvalidArnException", KMS.create_grant, **{**ask, "GranteePrincipal": "nobody"})
    for _ in range(3):
        KMS.create_grant(**ask)
    listed, rounds = pages(KMS.list_grants, "Grants", KeyId=key, Limit=2)
    assert (len({grant["GrantId"] for grant in listed}), rounds) == (5, 3)
    KMS.disable_key(KeyId=key)
    refused("DisabledException", KMS.create_grant, **ask)


def test_policies_are_kept_and_malformed_ones_refused():
    key = external_key()
    named = {} if can("policy_name") else {"PolicyName": "default"}
    policy = json.loads(KMS.get_key_policy(KeyId=key, **named)["Policy"])
    assert policy["Statement"][0]["Principal"]["AWS"] == f"arn:aws:iam::{ACCOUNT}:root"
    policy["Statement"][0]["Sid"] = "changed"
    KMS.put_key_policy(KeyId=key, Policy=json.dumps(policy), **named)
    assert json.loads(KMS.get_key_policy(KeyId=key, **named)["Policy"]) == policy
    if can("policy_form"):
        for bad in ("no json", "{}", json.dumps({"Statement": [{"Effect": "Allow"}]})):
            refused("MalformedPolicyDocumentException", KMS.put_key_policy, KeyId=key, Policy=bad, **named)
        foreign = json.dumps(policy).replace(ACCOUNT, "999999999999")
        refused("MalformedPolicyDocumentException", KMS.put_key_policy, KeyId=key, Policy=foreign, **named)


def test_unknown_and_invalid_names_are_not_found():
    refused("NotFoundException", KMS.describe_key, KeyId="1234abcd-12ab-34cd-56ef-1234567890ab")
    refused("NotFoundException", KMS.describe_key, KeyId="alias/nobody")
    if can("places"):
        assert refused("NotFoundException", KMS.describe_key, KeyId="fake-key-id") == "Invalid keyId 'fake-key-id'"
        key = external_key()
        far = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}"
        assert refused("NotFoundException", KMS.describe_key, KeyId=far) == "Invalid arn us-east-1"
        refused("NotFoundException", client("kms", region="us-east-1").describe_key, KeyId=key)
        refused("AccessDeniedException", KMS.describe_key, KeyId=f"arn:aws:kms:{REGION}:999999999999:key/{key}")


def test_a_replica_waits_for_the_very_material_of_its_primary():
    if not can("replicas"):
        return
    far = client("kms", region="us-east-1")
    key, material = external_key(MultiRegion=True), os.urandom(32)
    assert key.startswith("mrk-")
    refused("KMSInvalidStateException", KMS.replicate_key, KeyId=key, ReplicaRegion="us-east-1")
    import_into(key, material)
    answer = KMS.replicate_key(KeyId=key, ReplicaRegion="us-east-1")["ReplicaKeyMetadata"]
    assert answer["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
    refused("AlreadyExistsException", KMS.replicate_key, KeyId=key, ReplicaRegion="us-east-1")
    assert far.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"

    def far_import(material, **more):
        given = far.get_parameters_for_import(KeyId=key, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
        return far.import_key_material(KeyId=key, ImportToken=given["ImportToken"], EncryptedKeyMaterial=wrap(given, "RSAES_OAEP_SHA_256", material),
                                       ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE", **more)

    refused("IncorrectKeyMaterialException", far_import, material=os.urandom(32))
    far_import(material)
    blob = KMS.encrypt(KeyId=key, Plaintext=b"here")["CiphertextBlob"]
    assert far.decrypt(CiphertextBlob=blob)["Plaintext"] == b"here"
    # Rotation: new material goes to the primary, then to the replica, then both rotate.
    new = os.urandom(32)
    refused("UnsupportedOperationException", far_import, material=new, ImportType="NEW_KEY_MATERIAL")
    import_into(key, new, ImportType="NEW_KEY_MATERIAL")
    states = lambda: [entry["KeyMaterialState"] for entry in KMS.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]]
    assert states() == ["CURRENT", "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"]
    refused("KMSInvalidStateException", KMS.rotate_key_on_demand, KeyId=key)
    far_import(new, ImportType="EXISTING_KEY_MATERIAL")
    assert states() == ["CURRENT", "PENDING_ROTATION"]
    refused("UnsupportedOperationException", far.rotate_key_on_demand, KeyId=key)
    KMS.rotate_key_on_demand(KeyId=key)
    current = [where.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"] for where in (KMS, far)]
    assert current[0] == current[1]
    # Deletion: the primary waits for its replica.
    answer = KMS.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert answer["KeyState"] == "PendingReplicaDeletion" and "DeletionDate" not in answer
    assert KMS.describe_key(KeyId=key)["KeyMetadata"]["PendingDeletionWindowInDays"] == 7
    far.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    advance(7 * DAY + 1)
    refused("NotFoundException", far.describe_key, KeyId=key)
    assert state(key) == "PendingDeletion"
    advance(7 * DAY + 1)
    refused("NotFoundException", KMS.describe_key, KeyId=key)


EXTERNAL_ID = "tenant-4711/+=:@"


def arrange_role(user_arn):
    """Makes a new role that the user may assume with an ExternalId; gives its ARN."""
    name = f"KeysteadFlow{os.urandom(4).hex()}"
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    if PROFILE == "sandbox":
        allow = [{"actions": ["kms:Create*", "kms:DescribeKey", "kms:TagResource"]}]
        control("roles", {"arn": arn, "trusted": [user_arn], "external_id": EXTERNAL_ID, "max_session_seconds": 7200, "allow": allow,
                          "deny": [{"actions": ["kms:CreateAlias"]}]})
        return arn
    iam = client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": user_arn}, "Action": "sts:AssumeRole",
                                                     "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}}]}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["kms:Create*", "kms:DescribeKey", "kms:TagResource"], "Resource": "*"},
        {"Effect": "Deny", "Action": "kms:CreateAlias", "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    return arn


def test_a_role_is_assumed_with_its_external_id_and_does_only_what_it_may():
    sts = USER_STS
    caller = sts.get_caller_identity()
    assert caller["Account"] == ACCOUNT and ":user/" in caller["Arn"]
    role = arrange_role(caller["Arn"])
    call = dict(RoleArn=role, RoleSessionName="flow")
    refused("AccessDenied", sts.assume_role, **call)
    refused("AccessDenied", sts.assume_role, **call, ExternalId="guessed")
    answer = sts.assume_role(**call, ExternalId=EXTERNAL_ID, DurationSeconds=900)
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/flow"
    keys = answer["Credentials"]
    session = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert client("sts", *session).get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    kms = client("kms", *session)
    key = kms.create_key(Origin="EXTERNAL", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]["KeyId"]
    denied = "AccessDeniedException" if can("denial_code") else "AccessDenied"
    refused(denied, kms.list_keys)
    message = refused(denied, kms.create_alias, AliasName="alias/never", TargetKeyId=key)
    assert "kms:CreateAlias" in message
    if not can("session_rules"):
        return
    assert "with an explicit deny" in message
    refused("ValidationError", sts.assume_role, **call, ExternalId=EXTERNAL_ID, DurationSeconds=899)
    refused("ValidationError", sts.assume_role, **call, ExternalId=EXTERNAL_ID, DurationSeconds=43_201)
    refused("ValidationError", sts.assume_role, **call, ExternalId=EXTERNAL_ID, DurationSeconds=7_201)
    refused("ValidationError", sts.assume_role, RoleArn=role, RoleSessionName="a:b", ExternalId=EXTERNAL_ID)
    refused("UnrecognizedClientException", client("kms", *session[:2]).describe_key, KeyId=key)
    refused("UnrecognizedClientException", client("kms", session[0], session[1], session[2][:-4] + "AAAA").describe_key, KeyId=key)
    advance(901)
    refused("ExpiredTokenException", kms.describe_key, KeyId=key)
    refused("ExpiredToken", client("sts", *session).get_caller_identity)


def test_wrong_credentials_are_refused():
    if not can("signatures"):
        return
    key, secret = USER_KEYS
    refused("UnrecognizedClientException", client("kms", "AKIANOBODYATALL00000", secret).list_keys)
    refused("InvalidSignatureException", client("kms", key, secret[:-1] + "X").list_keys)
    refused("InvalidClientTokenId", client("sts", "AKIANOBODYATALL00000", secret).get_caller_identity)
    refused("SignatureDoesNotMatch", client("sts", key, secret[:-1] + "X").get_caller_identity)


def arrange_user():
    """The user whose keys the tests sign with. The others take the key that they are started with as root, so there a user is made."""
    if PROFILE == "sandbox":
        return os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    iam = client("iam")
    name = f"flow-{os.getpid()}"
    iam.create_user(UserName=name)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def honest(tests):
    """Claims what the profile lacks, one after the other; the tests that ask for it must fail. Gives how often they did not."""
    mended = 0
    for capability in sorted(LACKING[PROFILE] - {"clock"}):
        asking = [test for _, test in tests if f'can("{capability}")' in source(test)]
        assert asking, f"no test asks for {capability}"
        LACKING[PROFILE].discard(capability)
        wrong = next(filter(None, map(objection, asking)), None)
        LACKING[PROFILE].add(capability)
        mended += wrong is None
        print(f"lacks  {capability}: {wrong}" if wrong else f"MENDED {capability}: strike it from the table")
    return 1 if mended else 0


def source(test):
    """A test's text, and that of the helper that asks, too."""
    text = inspect.getsource(test)
    return text + inspect.getsource(pages) if "pages(" in text else text


def objection(test):
    """What is wrong, in a line; None when nothing is, or nothing was until the sandbox's own clock was needed."""
    try:
        test()
    except NoControl:
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    return None


def main():
    global PROFILE, ACCOUNT, KMS, USER_KEYS, USER_STS
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", choices=sorted(LACKING), default="sandbox")
    parser.add_argument("--honest", action="store_true", help="claim each capability that the profile lacks; it is an error when one is there")
    parser.add_argument("--claim", action="append", default=[], help="try a capability although the profile lacks it: keeps the table honest")
    arguments = parser.parse_args()
    PROFILE = arguments.profile
    LACKING[PROFILE] -= set(arguments.claim)
    USER_KEYS = arrange_user()
    USER_STS, KMS = client("sts", *USER_KEYS), client("kms", *USER_KEYS)
    ACCOUNT = USER_STS.get_caller_identity()["Account"]
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    if arguments.honest:
        sys.exit(honest(tests))
    failed = 0
    for name, test in tests:
        try:
            test()
            print(f"ok     {name}")
        except Exception:  # every test is reported, whatever it raised
            failed += 1
            print(f"FAILED {name}\n{traceback.format_exc()}")
    print(f"{len(tests) - failed} of {len(tests)} passed, profile {PROFILE}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
