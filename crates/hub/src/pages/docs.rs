//! The interface for people, written from the document itself: operations by what they are about, then every type.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;

use super::{escape, words};

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// A page of the document.
#[must_use]
pub fn docs(network: &str, document: &Value) -> String {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                let tag = operation["tags"][0].as_str().unwrap_or_default();
                groups.entry(tag).or_default().push(operation_card(path, method, operation));
            }
        }
    }
    for (_, item) in document["webhooks"].as_object().into_iter().flatten() {
        groups.entry("webhooks").or_default().insert(0, message_card(&item["post"]));
    }
    let mut main = format!(
        "<h1>Interface</h1>\n<p class=\"intro\">The machine-readable document is <a href=\"/openapi.json\">openapi.json</a>; \
         <a href=\"/collection.json\">collection.json</a> is the same as requests to send, for Postman, Bruno, Insomnia and the like.</p>\n\
         {}<nav>",
        prose(&document["info"]["description"])
    );
    for tag in groups.keys() {
        let _ = write!(main, "<a href=\"#{0}\">{0}</a>", escape(tag));
    }
    main.push_str("<a href=\"#types\">types</a></nav>\n");
    for (tag, cards) in &groups {
        let _ = write!(main, "<h2 id=\"{0}\">{0}</h2>\n{1}", escape(tag), cards.concat());
    }
    main.push_str("<h2 id=\"types\">types</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        main.push_str(&type_card(name, schema));
    }
    super::frame(network, words::choose("en"), "Interface", "docs", &main)
}

fn operation_card(path: &str, method: &str, operation: &Value) -> String {
    let mut card = format!(
        "<article><h3><span class=\"method {method}\">{}</span><code>{}</code></h3><p>{} {}</p><dl>",
        method.to_uppercase(),
        escape(path),
        marked(&operation["summary"]),
        marked(&operation["description"])
    );
    let who = match operation["security"][0].as_object().and_then(|one| one.keys().next()).map(String::as_str)
    {
        Some("dpop") => "a signed-in device, with a DPoP proof",
        Some(_) => "a carrier or operator, with an API key",
        None => "anyone",
    };
    let scope = operation["security"][0]["key"][0].as_str();
    let scope = scope.map(|scope| format!(" of scope <code>{}</code>", escape(scope))).unwrap_or_default();
    let _ = write!(card, "<dt>Who</dt><dd>{who}{scope}</dd>");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (name, told) = (&parameter["name"], parameter["description"].as_str());
        // What all writes take is said at the top.
        if let (Some(name), Some(told)) =
            (name.as_str().filter(|name| !matches!(*name, "Idempotency-Key" | "DPoP")), told)
        {
            let (name, told) = (escape(name), spans(told));
            let name = if parameter["in"] == "query" { format!("?{name}=") } else { name };
            let _ = write!(card, "<dt><code>{name}</code></dt><dd>{told}</dd>");
        }
    }
    for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let form = if kind == "application/json" { "" } else { ", as a form" };
        let _ = write!(card, "<dt>Body</dt><dd>{}{form}", type_of(&content["schema"]));
        let example = &content["examples"]["usual"]["value"];
        if !example.is_null() {
            let _ = write!(card, "<pre>{}</pre>", pretty(example));
        }
        card.push_str("</dd>");
    }
    // Those of all operations are told by their status alone.
    let is_usual = |(_, response): &(&String, &Value)| response["$ref"].is_string();
    let (refusals, answers): (Vec<_>, Vec<_>) =
        operation["responses"].as_object().into_iter().flatten().partition(is_usual);
    for (status, response) in answers {
        let schema = response["content"].as_object().and_then(|all| all.values().next());
        let told = response["description"].as_str().filter(|told| *told != "Done." && status != "default");
        let body = schema.map_or_else(|| "no body".to_owned(), |content| type_of(&content["schema"]));
        let body = told.map_or(body.clone(), |told| format!("{body}. {}", spans(told)));
        let _ = write!(card, "<dt>{}</dt><dd>{body}</dd>", escape(status));
    }
    if !refusals.is_empty() {
        let all: Vec<_> =
            refusals.iter().map(|(status, _)| escape(status)).filter(|status| status != "default").collect();
        let _ = write!(card, "<dt>Refusals</dt><dd>{}</dd>", all.join(", "));
    }
    card + "</dl></article>\n"
}

/// A message that the hub sends: how it is signed, and each event with its payload.
fn message_card(operation: &Value) -> String {
    let mut card = format!(
        "<article id=\"messages\"><h3><span class=\"method post\">POST</span><code>your endpoint</code></h3><p>{}</p>{}<dl>",
        marked(&operation["summary"]),
        prose(&operation["description"])
    );
    for header in operation["parameters"].as_array().into_iter().flatten() {
        let name = escape(header["name"].as_str().unwrap_or_default());
        let example = escape(header["example"].as_str().unwrap_or_default());
        let _ = write!(
            card,
            "<dt><code>{name}</code></dt><dd>{}<pre>{example}</pre></dd>",
            marked(&header["description"])
        );
    }
    let content = &operation["requestBody"]["content"]["application/json"];
    let _ = write!(card, "<dt>Body</dt><dd>{}</dd>", type_of(&content["schema"]));
    for (event, example) in content["examples"].as_object().into_iter().flatten() {
        let _ = write!(
            card,
            "<dt><code>{}</code></dt><dd>{}<pre>{}</pre></dd>",
            escape(event),
            marked(&example["summary"]),
            escape(&example["value"].to_string())
        );
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let _ = write!(card, "<dt>{}</dt><dd>{}</dd>", escape(status), marked(&response["description"]));
    }
    card + "</dl></article>\n"
}

/// Paragraphs of the document's own text.
fn prose(text: &Value) -> String {
    let paragraphs = text.as_str().unwrap_or_default().split("\n\n").filter(|text| !text.is_empty());
    paragraphs.fold(String::new(), |all, text| all + "<p>" + &spans(text) + "</p>\n")
}

fn marked(text: &Value) -> String {
    spans(text.as_str().unwrap_or_default())
}

/// `code` and **what matters**, of all that Markdown has.
fn spans(text: &str) -> String {
    let mut html = String::new();
    for (at, piece) in text.split('`').enumerate() {
        if at % 2 == 1 {
            let _ = write!(html, "<code>{}</code>", escape(piece));
            continue;
        }
        for (at, piece) in piece.split("**").enumerate() {
            let piece = escape(piece);
            let _ =
                if at % 2 == 1 { write!(html, "<strong>{piece}</strong>") } else { write!(html, "{piece}") };
        }
    }
    html
}

fn pretty(value: &Value) -> String {
    escape(&serde_json::to_string_pretty(value).unwrap_or_default())
}

fn type_card(name: &str, schema: &Value) -> String {
    let told = marked(&schema["description"]);
    let mut card = format!("<article id=\"{0}\"><h3><code>{0}</code></h3><p>{told}</p><dl>", escape(name));
    fields(&mut card, schema);
    // One of several shapes: each with its own fields.
    let shapes = schema["oneOf"].as_array().into_iter().flatten().filter(|one| one["properties"].is_object());
    let shapes: Vec<&Value> = shapes.collect();
    for shape in &shapes {
        let told = marked(&shape["description"]);
        let _ = write!(card, "<dt>Either</dt><dd>{told}</dd>");
        fields(&mut card, shape);
    }
    if schema["properties"].is_null() && shapes.is_empty() {
        let _ = write!(card, "<dt>Values</dt><dd>{}</dd>", type_of(schema));
    }
    card + "</dl></article>\n"
}

/// What an object holds.
fn fields(card: &mut String, schema: &Value) {
    for (field, schema_of) in schema["properties"].as_object().into_iter().flatten() {
        let required = schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == field));
        let mark = if required { "" } else { ", optional" };
        let told = marked(&schema_of["description"]);
        let _ = write!(
            card,
            "<dt><code>{}</code></dt><dd>{}{mark}. {told}</dd>",
            escape(field),
            type_of(schema_of)
        );
    }
}

/// How a type is called, with a link to those that have a name.
fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escape(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#{name}\"><code>{name}</code></a>");
    }
    if let Some(all) = schema["oneOf"].as_array() {
        let all: Vec<String> = all.iter().filter(|one| one["type"] != "null").map(type_of).collect();
        return all.join(", ");
    }
    if let Some(all) = schema["enum"].as_array() {
        let all: Vec<String> = all
            .iter()
            .filter_map(Value::as_str)
            .map(|value| format!("<code>{}</code>", escape(value)))
            .collect();
        return all.join(", ");
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
    match kind {
        "array" if schema["items"].is_object() => format!("list of {}", type_of(&schema["items"])),
        kind => escape(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_links_and_optional_fields_say_so() {
        let schema = serde_json::json!({
            "description": "A <b>", "required": ["a"],
            "properties": {
                "a": { "$ref": "#/components/schemas/Size" },
                "b": { "type": ["array", "null"], "items": { "enum": ["x", "y"] }, "description": "Some." },
            },
        });
        let card = type_card("One", &schema);
        assert!(card.contains("A &lt;b&gt;") && card.contains("<a href=\"#Size\"><code>Size</code></a>."));
        assert!(card.contains("list of <code>x</code>, <code>y</code>, optional. Some."), "{card}");
        let either =
            serde_json::json!({ "oneOf": [schema, { "type": "object", "properties": { "c": {} } }] });
        let card = type_card("Two", &either);
        assert!(card.matches("<dt>Either</dt>").count() == 2 && card.contains("<code>c</code>"), "{card}");
    }
}
