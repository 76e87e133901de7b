//! The OpenAPI file against the API: every response matches its schema, and requests that do not match are
//! refused.

use serde_json::{Map, Value, json};
use tests::raw::{Request, Response};

use crate::support::{Running, start};

const SECRET: &str = "a secret for sessions";

/// The OpenAPI file as the gateway serves it.
pub(crate) struct Described(Value);

impl Described {
    pub(crate) async fn of(running: &Running) -> Self {
        let (status, file) = running.get("/api/openapi.json").await;
        assert_eq!(status, 200);
        Self(file)
    }

    /// Resolves a `$ref`.
    fn at<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
            None => value,
        }
    }

    fn operation(&self, method: &str, path: &str) -> &Value {
        let found = &self.0["paths"][path][method];
        assert!(found.is_object(), "{method} {path} is not described");
        found
    }

    /// Checks that the response has a described status and a matching body.
    pub(crate) fn holds(&self, method: &str, path: &str, response: &Response) {
        let status = response.status.to_string();
        let described = self.at(&self.operation(method, path)["responses"][&status]);
        assert!(described.is_object(), "{method} {path} answered {status}: {}", response.text());
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        self.fits(&described["content"]["application/json"]["schema"], &body, &format!("{path} {status}"));
    }

    /// Checks a value against a schema. An unknown keyword fails, so that nothing stays unchecked.
    fn fits(&self, schema: &Value, value: &Value, place: &str) {
        let schema = self.at(schema).as_object().unwrap_or_else(|| panic!("{place}: no schema"));
        for (word, rule) in schema {
            let fits = match word.as_str() {
                "description" | "default" => true,
                "format" => value.as_str().is_some_and(|time| time.ends_with('Z')) && rule == "date-time",
                "type" => match rule {
                    Value::Array(kinds) => kinds.iter().any(|kind| is_of(value, kind)),
                    kind => is_of(value, kind),
                },
                "enum" => rule.as_array().unwrap().contains(value),
                "minimum" => value.as_u64() >= rule.as_u64(),
                "required" => {
                    rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some())
                }
                "properties" => {
                    for (key, schema) in rule.as_object().unwrap() {
                        if let Some(value) = value.get(key) {
                            self.fits(schema, value, &format!("{place}.{key}"));
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let known =
                        |key: &String| schema.get("properties").is_some_and(|it| it.get(key).is_some());
                    for (key, value) in value.as_object().unwrap().iter().filter(|(key, _)| !known(key)) {
                        assert!(rule.is_object(), "{place}: {key} is not described");
                        self.fits(rule, value, &format!("{place}.{key}"));
                    }
                    true
                }
                "items" => {
                    value.as_array().unwrap().iter().for_each(|item| self.fits(rule, item, place));
                    true
                }
                _ => panic!("{place}: {word} is not checked"),
            };
            assert!(fits, "{place}: {value} against {word}: {rule}");
        }
    }
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}

async fn post(running: &Running, path: &str, body: &str) -> Response {
    let request = running.operator("POST", path).header("content-type", "application/json");
    request.body(body).send(running.addr).await
}

/// A body that the schema allows, for a connected client.
fn example(described: &Described, schema: &Value, client: &str) -> Map<String, Value> {
    let schema = described.at(schema);
    let required = schema["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap());
    let mut body: Map<String, Value> = required
        .map(|key| {
            let value = match key {
                "client_id" => json!(client),
                "metadata" => json!({"a": 1}),
                "calls" => {
                    json!([{"call": "broadcast", "body": {"event": "e"}}, {"call": "broadcast", "body": {}}])
                }
                _ => json!(key),
            };
            (key.to_owned(), value)
        })
        .collect();
    if body.is_empty() && schema["properties"]["room"].is_object() {
        // An empty room, because later calls need the client.
        body.insert("room".to_owned(), json!("empty"));
    }
    described.fits_as_request(schema, &body);
    body
}

impl Described {
    /// Checks that an example matches the schema of requests.
    fn fits_as_request(&self, schema: &Value, body: &Map<String, Value>) {
        for key in body.keys() {
            assert!(schema["properties"][key].is_object(), "{key}");
        }
    }
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let running = start(json!({"auth": {"session_secret": SECRET}})).await;
    let described = Described::of(&running).await;
    let mut client = running.native("/").await;
    client.ask("join", json!("r")).await;
    let mut called = 0;
    for (path, methods) in described.0["paths"].as_object().unwrap() {
        if path == "/metrics" {
            // Plain text, whose content has its own tests.
            continue;
        }
        if methods["get"].is_object() {
            described.holds("get", path, &running.operator("GET", path).send(running.addr).await);
        }
        let schema = &methods["post"]["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        called += 1;
        let good = example(&described, schema, &client.id);
        let response = post(&running, path, &Value::from(good.clone()).to_string()).await;
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        described.holds("post", path, &response);
        let schema = described.at(schema);
        for (key, rule) in schema["properties"].as_object().unwrap() {
            let mut bodies = Vec::new();
            let mut with = |value: Value| {
                let mut body = good.clone();
                body.insert(key.clone(), value);
                bodies.push(body);
            };
            // `data` accepts anything. Whether a namespace exists is not a question of the schema.
            if !rule["type"].is_null() {
                for wrong in [json!({}), json!([1]), json!(1), json!(1.5)] {
                    if rule["type"] != "object" || !wrong.is_object() {
                        with(wrong);
                    }
                }
            }
            if rule["minLength"] == 1 {
                with(json!(""));
            }
            if let Some(most) = rule["maxLength"].as_u64() {
                with(json!("x".repeat(usize::try_from(most).unwrap() + 1)));
            }
            if let Some(most) = rule["maxItems"].as_u64() {
                with(json!(vec![
                    json!({"call": "broadcast", "body": {}});
                    usize::try_from(most).unwrap() + 1
                ]));
            }
            if schema["required"].as_array().unwrap().contains(&json!(key)) {
                let mut body = good.clone();
                body.remove(key);
                bodies.push(body);
            }
            for body in bodies {
                let body = Value::from(body).to_string();
                let response = post(&running, path, &body).await;
                assert_eq!(response.status, 400, "{path} {body}");
                described.holds("post", path, &response);
            }
        }
        let mut strange = good.clone();
        strange.insert("strange".to_owned(), json!(1));
        for body in [&Value::from(strange).to_string(), "", "[]", "null", "{", "\"\\ud800\""] {
            let response = post(&running, path, body).await;
            let is_fine = body.is_empty() && methods["post"]["requestBody"]["required"] == false;
            assert_eq!(response.status, if is_fine { 200 } else { 400 }, "{path} {body}");
            described.holds("post", path, &response);
        }
        let form = running.operator("POST", path).body("a=1").send(running.addr).await;
        assert_eq!(form.status, 415);
        described.holds("post", path, &form);
        let evil = Request::new("POST", path).header("origin", "https://evil.test").send(running.addr).await;
        assert_eq!(evil.status, 403);
        described.holds("post", path, &evil);
    }
    assert_eq!(called, 11);
}

#[tokio::test]
async fn refusals_are_as_described() {
    let settings = json!({"api": {"keys": ["a key for operators"]}, "auth": {"session_secret": SECRET}});
    let running = start(settings).await;
    let described = Described::of(&running).await;
    for (path, methods) in described.0["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let response = Request::new(&method.to_uppercase(), path).send(running.addr).await;
            let security = &described.operation(method, path)["security"];
            let is_open =
                security.as_array().is_some_and(|ways| ways.is_empty() || ways.contains(&json!({})));
            assert_eq!(response.status, if is_open { 200 } else { 401 }, "{path}");
            described.holds(method, path, &response);
        }
    }
}
