//! The OpenAPI document, read as a client generator reads it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, http};

/// The document of a running hub.
pub(crate) struct Document {
    pub(crate) text: Value,
    pub(crate) operations: Vec<Operation>,
}

/// One method of one path.
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    id: String,
    /// Name of the security scheme; empty where none is needed.
    pub(crate) needs: String,
    /// Name, place, schema, and whether it must be there.
    pub(crate) parameters: Vec<(String, String, Value, bool)>,
    /// Schema of the body.
    pub(crate) body: Option<Value>,
    /// The body is a form: OAuth's.
    pub(crate) form: bool,
    responses: Value,
}

/// The schema that a reference leads to.
pub(crate) fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.trim_start_matches('#');
            resolve(
                document,
                document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")),
            )
        }
        None => schema,
    }
}

impl Document {
    pub(crate) async fn of(base: &str) -> Self {
        let text = Answer::of(http().get(format!("{base}/openapi.json"))).await.ok();
        let mut operations = Vec::new();
        for (path, item) in text["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let json = operation.pointer("/requestBody/content/application~1json/schema");
                let form =
                    operation.pointer("/requestBody/content/application~1x-www-form-urlencoded/schema");
                operations.push(Operation {
                    method,
                    path: path.clone(),
                    id: text(&operation["operationId"]),
                    needs: operation["security"][0]
                        .as_object()
                        .map_or_else(String::new, |one| one.keys().next().unwrap().clone()),
                    parameters: parameters
                        .map(|one| {
                            let required = one["required"] == true;
                            (text(&one["name"]), text(&one["in"]), one["schema"].clone(), required)
                        })
                        .collect(),
                    body: json.or(form).cloned(),
                    form: form.is_some(),
                    responses: operation["responses"].clone(),
                });
            }
        }
        Self { text, operations }
    }

    /// What OpenAPI 3.1 itself asks of a document, where a generator could go wrong.
    pub(crate) fn is_sound(&self) {
        assert!(self.text["openapi"].as_str().unwrap().starts_with("3.1."));
        let mut ids = BTreeSet::new();
        for operation in &self.operations {
            let what = operation.name();
            assert!(ids.insert(&operation.id), "{what}: {} comes twice", operation.id);
            for (name, place, schema, _) in &operation.parameters {
                let in_path = operation.path.contains(&format!("{{{name}}}"));
                assert_eq!(in_path, place == "path", "{what}: {name} in {place}");
                resolve(&self.text, schema);
            }
            for (status, response) in operation.responses.as_object().unwrap() {
                let response = resolve(&self.text, response);
                assert!(
                    response["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{what}: {status}"
                );
            }
            let writes = operation.method != Method::GET && !operation.form;
            let repeatable = operation.parameters.iter().any(|(name, ..)| name == "Idempotency-Key");
            assert_eq!(writes, repeatable, "{what}");
        }
    }

    /// Why `value` is not what `schema` asks for.
    fn check(&self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        let schema = resolve(&self.text, schema);
        let wrong = |why: &str| Err(format!("{place}: {why}: {value} is not {schema}"));
        if let Some(all) = schema["oneOf"].as_array() {
            let fitting = all.iter().filter(|one| self.check(one, value, place).is_ok()).count();
            return if fitting == 1 { Ok(()) } else { wrong(&format!("{fitting} of oneOf")) };
        }
        if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
            return wrong("enum");
        }
        let kinds = match &schema["type"] {
            Value::Array(kinds) => kinds.clone(),
            Value::Null => return Ok(()),
            kind => vec![kind.clone()],
        };
        let is = |kind: &str| match value {
            Value::Null => kind == "null",
            Value::Bool(_) => kind == "boolean",
            Value::Number(number) => kind == "number" || (kind == "integer" && !number.is_f64()),
            Value::String(_) => kind == "string",
            Value::Array(_) => kind == "array",
            Value::Object(_) => kind == "object",
        };
        if !kinds.iter().filter_map(Value::as_str).any(is) {
            return wrong("type");
        }
        if schema["minimum"].as_i64().zip(value.as_i64()).is_some_and(|(least, value)| value < least) {
            return wrong("minimum");
        }
        if let Some(all) = value.as_array() {
            let first = schema["prefixItems"].as_array().cloned().unwrap_or_default();
            for (at, one) in all.iter().enumerate() {
                let schema = first.get(at).unwrap_or(&schema["items"]);
                self.check(schema, one, &format!("{place}/{at}"))?;
            }
        }
        if let Some(fields) = value.as_object() {
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !fields.contains_key(name) {
                    return wrong(&format!("no {name}"));
                }
            }
            for (name, field) in fields {
                // What the document does not name, nobody can know of.
                let Some(schema) = schema["properties"].get(name) else {
                    return wrong(&format!("{name} is not described"));
                };
                self.check(schema, field, &format!("{place}/{name}"))?;
            }
        }
        Ok(())
    }
}

impl Operation {
    /// For people.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Why `answer` is not one that the document describes.
    pub(crate) fn judge(&self, document: &Document, answer: &Answer) -> Result<(), String> {
        let status = answer.status.as_u16();
        if status >= 500 {
            return Err("a fault of the hub".to_owned());
        }
        if !answer.headers.contains_key("x-request-id") {
            return Err("no request id".to_owned());
        }
        let kind = answer.headers.get("content-type").map(|kind| kind.to_str().unwrap_or_default());
        let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().to_owned());
        let (response, refused) = match self.responses.get(status.to_string()) {
            Some(response) => (response, status >= 400),
            // The paths and methods of the document are there, so these are of the listener.
            None if matches!(status, 405 | 414 | 431) => (&self.responses["default"], true),
            None if status >= 400 => return Err("a refusal that the document does not name".to_owned()),
            // RFC 9110: what has not changed has no body.
            None if status == 304 => return Ok(()),
            None => return Err("a status that is not described".to_owned()),
        };
        let response = resolve(&document.text, response);
        let Some(content) = response["content"].as_object() else {
            let empty = answer.body == json!("");
            return if empty { Ok(()) } else { Err("a body where none is described".to_owned()) };
        };
        let kind = kind.ok_or("no content type")?;
        let schema = content.get(&kind).ok_or_else(|| format!("{kind} is not described"))?;
        document.check(&schema["schema"], &answer.body, "")?;
        if refused && kind == "application/problem+json" && answer.body["status"] != status {
            return Err("the problem document names another status".to_owned());
        }
        Ok(())
    }
}
