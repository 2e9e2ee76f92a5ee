"""Functions behind an HTTP API."""

from __future__ import annotations

import json
import logging
import types

import pytest
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

import examples
from upload_client.functions import ApiResolverBuilder
from upload_client.functions.errors import InvalidRequest
from upload_client.support import secrets


def request(path="/things/a", method="POST", body=None, query=None, headers=None):
    """As API Gateway's REST API sends it."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers or {},
        "multiValueHeaders": {name: [value] for name, value in (headers or {}).items()},
        "queryStringParameters": {name: values[-1] for name, values in (query or {}).items()} or None,
        "multiValueQueryStringParameters": query,
        "pathParameters": {"proxy": path.strip("/")},
        "requestContext": {"identity": {"caller": None, "user": "maria"}, "requestId": "r", "stage": "v1"},
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    }


class Api:
    def __init__(self, builder, context):
        self.builder, self.context = builder, context
        self.function = builder.get_lambda_handler()

    def __call__(self, **given):
        answer = self.function(request(**given), self.context)
        return answer["statusCode"], json.loads(answer["body"] or "null")


@pytest.fixture
def api(context):
    builder = ApiResolverBuilder()
    assert builder.add_handlers(examples) == [examples.GetNamed]
    return Api(builder, context)


def test_route_query_and_body_are_one_request(api):
    assert api(body={"size": 3}, query={"tags": ["x", "y"]}) == (
        200,
        {"name": "a", "tags": ["x", "y"], "size": 3},
    )


def test_one_value_of_a_list_is_a_list_of_one(api):
    assert api(query={"tags": ["x"], "size": ["4"]})[1] == {"name": "a", "tags": ["x"], "size": 4}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"body": {"name": "b"}}, "name has one value in the route and another in the body"),
        ({"query": {"name": ["b"]}}, "name has one value in the route and another in the query"),
        ({"query": {"size": ["1", "2"]}}, "the event is no Named: size"),
        ({"body": "{"}, "the body is no JSON"),
        ({"body": [1]}, "the body is no JSON object"),
        ({"body": {"size": "hunter2"}}, "the event is no Named: size: "),
        ({"headers": {"X-Old": "1"}}, "too old"),
        ({"path": "/things/broken"}, "KeyError: 'inner detail'"),
    ],
)
def test_what_goes_wrong_is_answered_with_400_the_request_and_a_sentence(api, given, why):
    status, body = api(**given)
    assert status == 400
    assert body.keys() == {"request", "error"}
    assert body["request"] == "request-1"
    assert why in body["error"]
    assert "hunter2" not in body["error"]


def test_a_stack_trace_is_told_in_debug_alone_whatever_a_header_asks_for(context):
    for debug in (False, True):
        builder = ApiResolverBuilder(debug=debug)
        builder.add_handlers(examples)
        _, body = Api(builder, context)(path="/things/broken", headers={"X-Log-Level": "DEBUG"})
        assert ("stacktrace" in body) is debug


def test_no_secret_stands_in_an_answer(api, monkeypatch):
    secrets.remember("inner detail")
    assert api(path="/things/broken")[1]["error"] == "KeyError: '***'"


def test_what_is_not_there_is_not_found(api):
    assert api(path="/nothing") == (404, {"request": "request-1", "error": "there is no POST /nothing"})
    assert api(method="GET")[0] == 404


@pytest.mark.parametrize("event", [None, {}, [], "{}", {"httpMethod": "GET"}, {"path": "/"}])
def test_what_is_no_http_request_is_told_in_a_sentence(api, event):
    with pytest.raises(InvalidRequest, match="none of API Gateway's REST API"):
        api.function(event, api.context)


def test_an_http_request_may_lie_in_a_file(api, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps(request(body={"size": 3})))
    assert api.function(str(tmp_path / "event.json"), api.context)["statusCode"] == 200


def test_a_prefix_stands_before_each_path(context):
    builder = ApiResolverBuilder()
    builder.add_handlers(examples, prefix="/v2")
    api = Api(builder, context)
    assert api(path="/v2/things/a")[0] == 200
    assert api(path="/things/a")[0] == 404


def test_what_is_not_valid_is_refused_before_any_function_runs(context):
    class Strict(ApiResolverBuilder):
        def validate_event(self, event):
            if event.headers.get("authorization") != "ok":
                raise PermissionError("no\r\nSet-Cookie: x")

    builder = Strict()
    builder.add_handlers(examples)
    api = Api(builder, context)
    assert api() == (401, {"request": "request-1", "error": "no Set-Cookie: x"})
    assert api(headers={"Authorization": "ok"})[0] == 200


@pytest.mark.parametrize(("asked", "level"), [("debug", logging.DEBUG), ("nonsense", logging.INFO)])
def test_a_header_sets_the_level_of_its_own_request_if_it_is_a_level(context, asked, level):
    seen = []

    class Watched(ApiResolverBuilder):
        def handle_not_found(self, error):
            return super().handle_not_found(error)

    builder = Watched()
    builder.add_handlers(examples)
    builder.app.get("/level")(lambda: seen.append(builder.logger.log_level) or {})
    api = Api(builder, context)
    api(path="/level", method="GET", headers={"X-Log-Level": asked})
    api(path="/level", method="GET")
    assert seen == [level, logging.INFO]


def test_an_error_of_http_keeps_its_status(context):
    builder = ApiResolverBuilder()

    @builder.app.get("/x")
    def fail():
        raise NotFoundError("no such delivery")

    assert Api(builder, context)(path="/x", method="GET")[0] == 404


def test_the_caller_is_whom_the_gateway_has_identified(api, printed):
    api()
    assert "maria" in [line.get("message") for line in printed()]


def test_without_a_route_there_is_no_request():
    with pytest.raises(ValueError, match="not called through its route"):
        _ = examples.GetNamed().current_event


def test_each_request_is_counted(api, printed):
    api()
    api(path="/things/broken")
    lines = [line for line in printed() if "_aws" in line]
    routed = [line for line in lines if line.get("route") == "/things/<name>"]
    assert [(line["Success"], line["Failure"]) for line in routed] == [([1.0], [0.0]), ([0.0], [1.0])]


def test_what_a_module_only_imports_is_not_added():
    module = types.ModuleType("elsewhere")
    module.GetNamed = examples.GetNamed
    assert ApiResolverBuilder().add_handlers(module) == []
