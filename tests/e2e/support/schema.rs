//! Holds answers against the document that describes them. As strict as the
//! document can be read: a field that it does not name is a fault as well.

use serde_json::Value;

/// An OpenAPI document.
pub struct Document(Value);

impl Document {
    pub fn new(text: &str) -> Self {
        Self(serde_json::from_str(text).expect("the document is JSON"))
    }

    /// Every path and method that is for all programs.
    pub fn operations(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (path, methods) in self.0["paths"].as_object().expect("paths") {
            for (method, about) in methods.as_object().expect("methods") {
                if about["x-command-line-only"] != true {
                    all.push((method.to_uppercase(), path.clone()));
                }
            }
        }
        all
    }

    /// The schema of what this operation answers with this status.
    #[track_caller]
    pub fn answer(&self, method: &str, path: &str, status: u16) -> Option<&Value> {
        let operation = &self.0["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not in the document");
        let responses = &operation["responses"];
        let response = responses.get(status.to_string()).unwrap_or(&responses["default"]);
        self.deref(response)["content"].get("application/json").map(|content| &content["schema"])
    }

    /// A schema by its name.
    #[track_caller]
    pub fn schema(&self, name: &str) -> &Value {
        self.0.pointer(&format!("/components/schemas/{name}")).unwrap_or_else(|| panic!("no schema {name}"))
    }

    /// Everything in which the value is not as the schema says.
    pub fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(schema, value, "", &mut faults);
        faults
    }

    fn deref<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let pointer = reference.trim_start_matches('#');
                self.deref(self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")))
            }
            None => schema,
        }
    }

    fn check(&self, schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
        let schema = self.deref(schema);
        for any in ["anyOf", "oneOf"] {
            if let Some(choices) = schema[any].as_array() {
                let all: Vec<Vec<String>> = choices.iter().map(|choice| self.faults(choice, value)).collect();
                if all.iter().all(|faults| !faults.is_empty()) {
                    faults.push(format!("{place}: none of its shapes: {all:?}"));
                }
            }
        }
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            faults.push(format!("{place}: {value} is none of {values:?}"));
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => return,
        };
        if !types.iter().any(|kind| is_a(kind, value)) {
            faults.push(format!("{place}: {value} is no {types:?}"));
            return;
        }
        if let (Some(least), Some(number)) = (schema["minimum"].as_i64(), value.as_i64())
            && number < least
        {
            faults.push(format!("{place}: {number} is less than {least}"));
        }
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check(&schema["items"], item, &format!("{place}/{index}"), faults);
                }
            }
            Value::Object(_) => self.check_fields(schema, value, place, faults),
            _ => {}
        }
    }

    fn check_fields(&self, schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
        let fields = value.as_object().expect("it was looked at");
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for name in required.iter().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                faults.push(format!("{place}: it has no {name}"));
            }
        }
        let free = schema.get("properties").is_none();
        for (name, field) in fields {
            let place = format!("{place}/{name}");
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(schema), _) => self.check(schema, field, &place, faults),
                (None, Some(others)) => self.check(others, field, &place, faults),
                (None, None) if free => {}
                (None, None) => faults.push(format!("{place}: the document does not name it")),
            }
        }
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("the document names a type {kind}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What finds nothing must not be a checker that looks at nothing.
    #[test]
    fn what_is_not_as_described_is_found() {
        let document = Document(json!({ "components": { "schemas": {
            "Thing": {
                "type": "object", "required": ["name", "size"],
                "properties": {
                    "name": { "type": "string" },
                    "size": { "type": ["integer", "null"], "minimum": 0 },
                    "kind": { "type": "string", "enum": ["a", "b"] },
                    "parts": { "type": "array", "items": { "$ref": "#/components/schemas/Thing" } },
                    "owner": { "anyOf": [{ "$ref": "#/components/schemas/Thing" }, { "type": "null" }] }
                }
            },
            "Counts": { "type": "object", "additionalProperties": { "type": "integer" } }
        } } }));
        let thing = || json!({ "name": "x", "size": 1, "kind": "a", "parts": [], "owner": null });
        let faults = |change: fn(&mut Value)| {
            let mut value = thing();
            change(&mut value);
            document.faults(document.schema("Thing"), &value).len()
        };
        assert_eq!(faults(|_| ()), 0);
        assert_eq!(faults(|value| value["size"] = Value::Null), 0);
        assert_eq!(faults(|value| value["parts"] = json!([{ "name": "y", "size": 2 }])), 0);
        let changes: [fn(&mut Value); 8] = [
            |value| drop(value.as_object_mut().expect("an object").remove("name")),
            |value| value["size"] = json!("1"),
            |value| value["size"] = json!(-1),
            |value| value["kind"] = json!("c"),
            |value| value["parts"] = json!([{ "name": "y" }]),
            |value| value["owner"] = json!({ "name": 7, "size": 1 }),
            |value| value["more"] = json!(1),
            |value| *value = json!([]),
        ];
        for (place, change) in changes.into_iter().enumerate() {
            assert_eq!(faults(change), 1, "change {place}");
        }
        let counts = document.schema("Counts");
        assert_eq!(document.faults(counts, &json!({ "a": 1 })).len(), 0);
        assert_eq!(document.faults(counts, &json!({ "a": "1" })).len(), 1);
    }
}
