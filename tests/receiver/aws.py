"""The sandbox's server with CloudFormation and IAM: a role's credentials do what its policies allow.

Run as ``python -m receiver DIRECTORY`` in ``tests/``, it obeys as `upload_client.sandbox.server` does.
Beyond that one and moto

- stacks may hold user pools, identity pools, groups and bucket policies, which moto leaves out;
- state machines run, and invoke functions if their own role may;
- the copy of a part says its CRC32;
- Cognito gives the credentials of the role that the user's groups call for, not a fixed text;
- each request is judged by `policies.allows` under the policies of its role and of its bucket, conditions
  included; requests with the sandbox's own key, the operator's, are not. Plain HTTP counts as TLS here.

Where there is no object, S3 says so only to who may list its key (`s3:prefix` is then the key):
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

from __future__ import annotations

import base64
import html
import json
import re
import sys
import urllib.parse
from pathlib import Path
from typing import Any

from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.parsing import ResourceMap
from moto.cognitoidentity.models import cognitoidentity_backends
from moto.cognitoidp.models import cognitoidp_backends
from moto.core.common_models import CloudFormationModel
from moto.core.config import default_user_config
from moto.iam.models import Role, iam_backends
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends
from moto.stepfunctions.models import StateMachine
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.sts.models import sts_backends
from receiver.definitions import as_moto_reads_it
from receiver.policies import allows

from upload_client.core import checksums
from upload_client.sandbox import server
from upload_client.sandbox.server import BODY

ACCOUNT, REGION = "123456789012", "us-east-1"
OPERATOR = "sandbox"
LAYER = f"arn:aws:lambda:{REGION}:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313-arm64:1"

BUCKET_POLICIES: dict[str, dict] = {}
ROLE_MAPPINGS: dict[str, dict] = {}


class Made(CloudFormationModel):
    """What a stack holds that moto's CloudFormation leaves out."""

    def __init__(self, physical_resource_id: str, **attributes: str) -> None:
        self.physical_resource_id = physical_resource_id
        self._attributes = attributes

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "ProviderName"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self._attributes[attribute_name]


class UserPool(CloudFormationModel):
    cloudformation_name_type = staticmethod(lambda: "UserPoolName")
    cloudformation_type = staticmethod(lambda: "AWS::Cognito::UserPool")

    @classmethod
    def create_from_cloudformation_json(cls, name, definition, account_id, region_name, **_):
        properties = definition["Properties"]
        known = ("AdminCreateUserConfig", "Policies", "UsernameConfiguration", "AutoVerifiedAttributes")
        config = {key: _booleans(properties[key]) for key in known}
        pool = cognitoidp_backends[account_id][region_name].create_user_pool(name, config)
        return Made(pool.id, ProviderName=f"cognito-idp.{region_name}.amazonaws.com/{pool.id}")


class UserPoolClient(CloudFormationModel):
    cloudformation_name_type = staticmethod(lambda: None)
    cloudformation_type = staticmethod(lambda: "AWS::Cognito::UserPoolClient")

    @classmethod
    def create_from_cloudformation_json(cls, _name, definition, account_id, region_name, **_):
        properties = dict(definition["Properties"])
        made = cognitoidp_backends[account_id][region_name].create_user_pool_client(
            properties.pop("UserPoolId"), generate_secret=False, extended_config=properties
        )
        return Made(made.id)


class IdentityPool(CloudFormationModel):
    cloudformation_name_type = staticmethod(lambda: "IdentityPoolName")
    cloudformation_type = staticmethod(lambda: "AWS::Cognito::IdentityPool")

    @classmethod
    def create_from_cloudformation_json(cls, name, definition, account_id, region_name, **_):
        properties = definition["Properties"]
        backend = cognitoidentity_backends[account_id][region_name]
        made = backend.create_identity_pool(
            identity_pool_name=name,
            allow_unauthenticated_identities=properties["AllowUnauthenticatedIdentities"],
            supported_login_providers={},
            developer_provider_name="",
            open_id_connect_provider_arns=[],
            cognito_identity_providers=properties["CognitoIdentityProviders"],
            saml_provider_arns=[],
            tags={},
        )
        return Made(json.loads(made)["IdentityPoolId"])


class IdentityRoles(CloudFormationModel):
    cloudformation_name_type = staticmethod(lambda: None)
    cloudformation_type = staticmethod(lambda: "AWS::Cognito::IdentityPoolRoleAttachment")

    @classmethod
    def create_from_cloudformation_json(cls, name, definition, _account_id, _region_name, **_):
        properties = definition["Properties"]
        (ROLE_MAPPINGS[properties["IdentityPoolId"]],) = properties["RoleMappings"].values()
        return Made(name)


class Group(CloudFormationModel):
    cloudformation_name_type = staticmethod(lambda: "GroupName")
    cloudformation_type = staticmethod(lambda: "AWS::Cognito::UserPoolGroup")

    @classmethod
    def create_from_cloudformation_json(cls, name, definition, account_id, region_name, **_):
        properties = definition["Properties"]
        cognitoidp_backends[account_id][region_name].create_group(
            properties["UserPoolId"],
            name,
            properties["Description"],
            properties["RoleArn"],
            properties.get("Precedence"),
        )
        return Made(f"{properties['UserPoolId']}|{name}")

    @classmethod
    def delete_from_cloudformation_json(cls, resource_name, _definition, account_id, region_name):
        pool, _, name = resource_name.partition("|")
        cognitoidp_backends[account_id][region_name].delete_group(pool, name)


class BucketPolicy(CloudFormationModel):
    cloudformation_name_type = staticmethod(lambda: None)
    cloudformation_type = staticmethod(lambda: "AWS::S3::BucketPolicy")

    @classmethod
    def create_from_cloudformation_json(cls, name, definition, _account_id, _region_name, **_):
        properties = definition["Properties"]
        BUCKET_POLICIES[properties["Bucket"]] = properties["PolicyDocument"]
        return Made(name)


def _booleans(value: Any) -> Any:
    """moto reads booleans in YAML as text."""
    if isinstance(value, dict):
        return {key: _booleans(entry) for key, entry in value.items()}
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


_made_role = Role.create_from_cloudformation_json


def _role_of_stack(*args, **kwargs):
    """moto keeps a stack's policies as objects, and gives them out as Python's text for them."""
    role = _made_role(*args, **kwargs)
    role.policies = {name: _text(document) for name, document in role.policies.items()}
    role.assume_role_policy_document = _text(role.assume_role_policy_document)
    return role


def _text(document: str | dict) -> str:
    return document if isinstance(document, str) else json.dumps(document)


Role.create_from_cloudformation_json = staticmethod(_role_of_stack)


def _state_machine_of_stack(name, definition, account_id, region_name, **_):
    """moto knows definitions as text only; and what it runs is kept apart from what it does not."""
    properties = definition["Properties"]
    text = as_moto_reads_it(_booleans(properties["Definition"]))
    for key, value in properties["DefinitionSubstitutions"].items():
        text = text.replace(f"${{{key}}}", value)
    backend = stepfunctions_parser_backends[account_id][region_name]
    return backend.create_state_machine(properties["StateMachineName"], text, properties["RoleArn"])


StateMachine.create_from_cloudformation_json = staticmethod(_state_machine_of_stack)
default_user_config["stepfunctions"]["execute_state_machine"] = True
ResourceMap.parse_ssm_parameter = lambda *_: LAYER  # AWS' own public parameters are not in moto


class Refused(Exception):  # noqa: N818 # it reads as what it says
    """A request that is not allowed."""


class Site(server.Site):
    """The sandbox's site behind IAM."""

    def __init__(self, functions, access) -> None:
        super().__init__(functions, access)
        lambda_eval_utils._invoke_lambda_function = self._invoke_for_state_machine

    def _invoke_for_state_machine(self, parameters, region, state_credentials):
        function = parameters["FunctionName"]
        if not allows(role_policies(state_credentials.role_arn), "lambda:InvokeFunction", function):
            sys.stderr.write(f"refused: {state_credentials.role_arn} may not invoke {function}\n")
            raise Refused(function)
        path = f"/2015-03-31/functions/{function.rpartition(':')[2]}/invocations"
        answer = self._functions.invoke(path, "RequestResponse", parameters["Payload"])
        failed = {"FunctionError": "Unhandled"} if "X-Amz-Function-Error" in answer.headers else {}
        return {"StatusCode": 200, "Payload": json.loads(answer.body), **failed}

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if "/invocations" in path:  # Lambda takes an ARN for a name
            path = urllib.parse.unquote(path)
            environ["PATH_INFO"] = re.sub(r"functions/arn:[^/]*:function:", "functions/", path)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        try:
            if target.endswith(".GetCredentialsForIdentity"):
                return _json(start_response, "200 OK", _credentials(json.loads(environ[BODY])))
            _check(environ)
        except Refused as refused:
            return _refuse(environ, start_response, str(refused))
        if "partNumber" in environ["QUERY_STRING"] and "HTTP_X_AMZ_COPY_SOURCE" in environ:
            return self._copied_part(environ, start_response)
        return super().__call__(environ, start_response)

    def _copied_part(self, environ, start_response):
        """Copy a part, and say its CRC32, which S3 does and moto does not."""
        told = []
        body = b"".join(super().__call__(environ, lambda *status: told.append(status)))
        (status, headers, *_) = told[-1]
        if status.startswith("200"):
            query = urllib.parse.parse_qs(environ["QUERY_STRING"])
            bucket, _, _ = environ["PATH_INFO"].lstrip("/").partition("/")
            upload = s3_backends[ACCOUNT]["aws"].get_bucket(bucket).multiparts[query["uploadId"][0]]
            crc32 = checksums.encode(checksums.crc32(upload.parts[int(query["partNumber"][0])].value))
            end = b"</CopyPartResult>"
            body = body.replace(end, f"<ChecksumCRC32>{crc32}</ChecksumCRC32>".encode() + end)
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            headers.append(("Content-Length", str(len(body))))
        start_response(status, headers)
        return [body]


def _check(environ) -> None:
    """Raise `Refused` unless whoever asks may have what the request asks for."""
    signed = re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    if signed is None or signed[1] == OPERATOR:
        return
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(signed[1])
    if session is None or session.session_token != environ.get("HTTP_X_AMZ_SECURITY_TOKEN"):
        raise Refused("these credentials are nobody's")
    policies = role_policies(session.role_arn)
    for action, resource, context in _needed(signed[2], environ):
        bucket = resource.removeprefix("arn:aws:s3:::").partition("/")[0]
        guarded = [*policies, BUCKET_POLICIES.get(bucket, {"Statement": []})]
        if "/operator" in session.role_arn:
            sys.stderr.write(f"asked: {action}\n")
        if not allows(guarded, action, resource, {"aws:SecureTransport": "true", **context}):
            raise Refused(f"{session.role_arn} may not {action} on {resource} {context or ''}")


def role_policies(arn: str) -> list[dict]:
    backend = iam_backends[ACCOUNT]["aws"]
    role = next((role for role in backend.roles.values() if role.arn == arn), None)
    return [] if role is None else [json.loads(policy) for policy in role.policies.values()]


def _needed(service: str, environ):
    """The actions that a request takes, on what, and what conditions may ask about."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    body, target = environ[BODY], environ.get("HTTP_X_AMZ_TARGET", "")
    arn = f"arn:aws:{service}:{REGION}:{ACCOUNT}:"
    if service == "s3":
        yield from _needed_of_s3(method, path, environ)
    elif service == "lambda" and "/invocations" in path:
        yield "lambda:InvokeFunction", f"{arn}function:{path.split('/')[3]}", {}
    elif service == "ssm" and target.endswith(".GetParameter"):
        yield "ssm:GetParameter", f"{arn}parameter{json.loads(body)['Name']}", {}
    elif service == "states" and target.endswith(".StartExecution"):
        yield "states:StartExecution", json.loads(body)["stateMachineArn"], {}
    elif service == "sns" and b"Action=Publish" in body:
        yield "sns:Publish", urllib.parse.parse_qs(body.decode())["TopicArn"][0], {}
    elif service == "lambda" and method == "GET" and path.endswith("/configuration"):
        name = urllib.parse.unquote(path).split("/")[3]
        yield "lambda:GetFunctionConfiguration", name if ":" in name else f"{arn}function:{name}", {}
    elif service == "cognito-idp":
        yield f"{service}:{target.rpartition('.')[2]}", f"{arn}userpool/{json.loads(body)['UserPoolId']}", {}
    elif service == "cloudformation":
        yield from _needed_of_stacks(
            arn, {key: one for key, (one, *_) in urllib.parse.parse_qs(body.decode()).items()}
        )
    elif service == "iam":
        asked = urllib.parse.parse_qs(body.decode())
        who = asked.get("UserName", ["*"])[0]
        yield f"iam:{asked['Action'][0]}", f"arn:aws:iam::{ACCOUNT}:user/{who}", {}
    else:
        yield f"{service}:{target or method}", "*", {}


MADE = {
    "AWS::IAM::Role": {
        "CreateStack": ["iam:CreateRole", "iam:PutRolePolicy", "iam:TagRole", "iam:GetRole"],
        "UpdateStack": ["iam:PutRolePolicy", "iam:GetRole"],
        "DeleteStack": [
            *("iam:GetRole", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"),
            *("iam:DeleteRolePolicy", "iam:DeleteRole"),
        ],
    },
    "AWS::Cognito::UserPoolGroup": {
        "CreateStack": ["cognito-idp:CreateGroup", "cognito-idp:GetGroup", "iam:PassRole"],
        "UpdateStack": ["cognito-idp:GetGroup"],
        "DeleteStack": ["cognito-idp:DeleteGroup"],
    },
}
"""Actions that CloudFormation takes in the name of whoever calls it, for the resources of a delivery's stack.

From the handlers of https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html,
as far as those resources need them.
"""


def _needed_of_stacks(arn: str, asked: dict[str, str]):
    """What a request to CloudFormation takes, and what that takes in the caller's name."""
    action, stack = asked["Action"], asked["StackName"]
    stack = stack.split("/")[1] if ":" in stack else stack
    yield f"cloudformation:{action}", f"{arn}stack/{stack}/x", {}
    if "Tags.member.1.Key" in asked:
        yield "cloudformation:TagResource", f"{arn}stack/{stack}/x", {}
    if action not in ("CreateStack", "UpdateStack", "DeleteStack"):
        return
    pool = asked.get("Parameters.member.3.ParameterValue", "")
    if action == "DeleteStack":
        made = cloudformation_backends[ACCOUNT][REGION].get_stack(stack)
        pool = made.parameters["UserPoolId"]
    on = {
        "iam": f"arn:aws:iam::{ACCOUNT}:role/{stack}-Role-x",
        "cognito-idp": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{pool}",
    }
    for actions in MADE.values():
        for one in actions[action]:
            yield one, on[one.partition(":")[0]], {"aws:CalledVia": "cloudformation.amazonaws.com"}


def _needed_of_s3(method: str, path: str, environ):
    query = urllib.parse.parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    bucket, _, key = path.encode("latin-1").decode().lstrip("/").partition("/")
    arn = f"arn:aws:s3:::{bucket}"
    if not key:
        prefix = {"s3:prefix": query["prefix"][0]} if "prefix" in query else {}
        if method == "GET" and "uploads" in query:
            yield "s3:ListBucketMultipartUploads", arn, {}  # it has no condition key for the prefix
        elif method == "GET" and "list-type" in query:
            yield "s3:ListBucket", arn, prefix
        elif method == "HEAD":
            yield "s3:ListBucket", arn, {}
        elif method == "POST" and "delete" in query:
            for named in re.findall(rb"<Key>(.*?)</Key>", environ[BODY]):
                yield "s3:DeleteObject", f"{arn}/{html.unescape(named.decode())}", {}
        else:
            yield f"s3:{method}", arn, {}
        return
    writes = "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"
    reads = "s3:ListMultipartUploadParts" if "uploadId" in query else "s3:GetObject"
    actions = {"GET": reads, "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "POST": "s3:PutObject"}
    yield actions.get(method, writes), f"{arn}/{key}", {}
    if method == "GET" and "attributes" in query:
        yield "s3:GetObjectAttributes", f"{arn}/{key}", {}
    if method == "PUT" and "HTTP_X_AMZ_TAGGING" in environ:
        yield "s3:PutObjectTagging", f"{arn}/{key}", {}
    if method == "PUT" and "HTTP_IF_MATCH" in environ:
        yield "s3:GetObject", f"{arn}/{key}", {}
    if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
        source = urllib.parse.unquote(source).lstrip("/").partition("?")[0]
        yield "s3:GetObject", f"arn:aws:s3:::{source}", {}
        if _has_tags(*source.split("/", 1)):
            yield "s3:GetObjectTagging", f"arn:aws:s3:::{source}", {}
            yield "s3:PutObjectTagging", f"{arn}/{key}", {}
    if method in ("GET", "HEAD") and "uploadId" not in query and not _is_there(bucket, key):
        yield "s3:ListBucket", arn, {"s3:prefix": key}


def _is_there(bucket: str, key: str) -> bool:
    try:
        return s3_backends[ACCOUNT]["aws"].get_object(bucket, key) is not None
    except S3ClientError:
        return True  # no such bucket: moto says so


def _has_tags(bucket: str, key: str) -> bool:
    found = s3_backends[ACCOUNT]["aws"].get_object(bucket, key)
    return found is not None and bool(s3_backends[ACCOUNT]["aws"].get_object_tagging(found)["Tags"])


def _credentials(request: dict) -> dict:
    """What Cognito's enhanced flow answers, with roles from the token.

    https://docs.aws.amazon.com/cognito/latest/developerguide/role-based-access-control.html
    """
    ((provider, token),) = request["Logins"].items()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    users = cognitoidp_backends[ACCOUNT][REGION]
    pool = provider.rpartition("/")[2]
    (identities,) = (
        pool_id
        for pool_id, known in cognitoidentity_backends[ACCOUNT][REGION].pools_identities.items()
        if {"IdentityId": request["IdentityId"]} in known["Identities"]
    )
    mapping = ROLE_MAPPINGS[identities]
    assert mapping["IdentityProvider"].startswith(provider)
    assert (mapping["Type"], mapping["AmbiguousRoleResolution"]) == ("Token", "Deny")
    if not users.admin_get_user(pool, claims["cognito:username"]).enabled:
        raise Refused("the user is disabled")
    groups = [users.get_group(pool, name) for name in claims.get("cognito:groups", ())]
    roles = [group.role_arn for group in groups]
    asked = request.get("CustomRoleArn") or (roles[0] if len(roles) == 1 else None)
    if asked not in roles:
        raise Refused("the token gives no such role, or several")
    role = next(role for role in iam_backends[ACCOUNT]["aws"].roles.values() if role.arn == asked)
    trust = json.loads(role.assume_role_policy_document)
    says = {
        "cognito-identity.amazonaws.com:aud": identities,
        "cognito-identity.amazonaws.com:amr": "authenticated",
    }
    if not allows([trust], "sts:AssumeRoleWithWebIdentity", asked, says):
        raise Refused("the role does not trust this identity pool")
    session = sts_backends[ACCOUNT]["aws"].assume_role(
        REGION, "CognitoIdentityCredentials", asked, "", 3600, ""
    )
    given = {
        "AccessKeyId": session.access_key_id,
        "SecretKey": session.secret_access_key,
        "SessionToken": session.session_token,
        "Expiration": session.expiration.timestamp(),
    }
    return {"IdentityId": request["IdentityId"], "Credentials": given}


def _refuse(environ, start_response, why: str):
    sys.stderr.write(f"refused: {why}\n")
    if server._signed_for_s3(environ):
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [f"<Error><Code>AccessDenied</Code><Message>{why}</Message></Error>".encode()]
    if "/invocations" in environ["PATH_INFO"]:
        return _json(
            start_response, "403 Forbidden", {"Message": why}, ("x-amzn-ErrorType", "AccessDeniedException")
        )
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target is None:
        start_response("403 Forbidden", [("Content-Type", "text/xml")])
        error = f"<Type>Sender</Type><Code>AccessDenied</Code><Message>{why}</Message>"
        return [f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()]
    kind = "NotAuthorizedException" if "CognitoIdentity" in target else "AccessDeniedException"
    return _json(start_response, "400 Bad Request", {"__type": kind, "message": why})


def _json(start_response, status: str, answer: dict, *headers: tuple[str, str]):
    start_response(status, [("Content-Type", "application/x-amz-json-1.1"), *headers])
    return [json.dumps(answer).encode()]


def main(directory: Path) -> None:
    server.Site = Site
    server.main(directory)
