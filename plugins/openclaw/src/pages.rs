//! Lists that come in pages.

use reap_plugin::Error;
use serde_json::{Value, json};

use crate::patience::{Question, Wire, ask_one};

/// More pages than any gateway has. One that always has another must not keep us.
const MOST: usize = 200;

/// A list that comes in pages.
pub struct Pages {
    /// How it is asked for.
    pub question: Question,
    /// Where the elements are.
    pub field: &'static str,
}

impl Pages {
    /// The list of this method.
    pub fn of(method: &'static str, params: Value, field: &'static str) -> Self {
        Self { question: Question { method, params }, field }
    }

    /// All elements, beginning with the page that is there already.
    pub fn follow(&self, wire: &dyn Wire, first: Value) -> Result<Vec<Value>, Error> {
        let total = first.get("totalCount").cloned();
        let (mut all, mut page) = (Vec::new(), first);
        for _ in 0..MOST {
            let more = self.next(&page);
            let Some(Value::Array(elements)) = page.get_mut(self.field).map(Value::take) else {
                return Err(self.odd(&format!("has no {}", self.field)));
            };
            all.extend(elements);
            let Some(params) = more else { return self.whole(all, total.as_ref()) };
            page = ask_one(wire, self.question.method, params)?;
            if page.get("totalCount") != total.as_ref() {
                return Err(Error::Unavailable("it changed while it was read".to_owned()));
            }
        }
        Err(self.odd(&format!("has more than {MOST} pages")))
    }

    /// The parameters for the page after this one.
    fn next(&self, page: &Value) -> Option<Value> {
        let mut params = self.question.params.clone();
        let given = |name: &str| page.get(name).filter(|value| !value.is_null());
        if let Some(cursor) = given("nextCursor") {
            params["cursor"] = cursor.clone();
        } else {
            params["offset"] =
                given("nextOffset").filter(|_| page.get("hasMore") != Some(&json!(false)))?.clone();
        }
        Some(params)
    }

    /// Elements move between pages when something is touched meanwhile: one is then there
    /// twice, and another not at all.
    fn whole(&self, all: Vec<Value>, total: Option<&Value>) -> Result<Vec<Value>, Error> {
        let name =
            |one: &Value| one.get("key").or_else(|| one.get("id")).and_then(Value::as_str).map(str::to_owned);
        let mut names: Vec<String> = all.iter().filter_map(name).collect();
        names.sort_unstable();
        let twice = names.windows(2).any(|pair| pair[0] == pair[1]);
        let short = total.and_then(Value::as_u64).is_some_and(|total| u64::try_from(all.len()) != Ok(total));
        match twice || short {
            true => Err(Error::Unavailable("it changed while it was read".to_owned())),
            false => Ok(all),
        }
    }

    fn odd(&self, what: &str) -> Error {
        Error::Failed(format!("the answer to {} {what}", self.question.method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, gives};

    fn list() -> Pages {
        Pages::of("sessions.list", json!({"limit": 2}), "sessions")
    }

    fn page(keys: &[&str], next: Option<u64>, total: u64) -> Value {
        let rows: Vec<Value> = keys.iter().map(|key| json!({"key": key})).collect();
        json!({"sessions": rows, "totalCount": total, "hasMore": next.is_some(), "nextOffset": next})
    }

    fn read(first: Value, rest: Vec<Value>) -> Result<usize, String> {
        let script = Script::default();
        script.say("sessions.list", rest.iter().map(gives).collect());
        list().follow(&script, first).map(|all| all.len()).map_err(|error| error.reason())
    }

    #[test]
    fn pages_are_followed_to_the_end() {
        assert_eq!(read(page(&["a", "b"], None, 2), vec![]), Ok(2));
        let rest = vec![page(&["c", "d"], Some(4), 5), page(&["e"], None, 5)];
        assert_eq!(read(page(&["a", "b"], Some(2), 5), rest), Ok(5));
        let tasks = json!({"tasks": [{"id": "1"}], "nextCursor": "x"});
        let script = Script::default();
        script.say("tasks.list", vec![gives(&json!({"tasks": [{"id": "2"}]}))]);
        let all = Pages::of("tasks.list", json!({}), "tasks").follow(&script, tasks);
        assert_eq!(all.map(|all| all.len()), Ok(2));
    }

    #[test]
    fn a_list_that_changed_meanwhile_is_none() {
        let changed = Err("it changed while it was read".to_owned());
        assert_eq!(read(page(&["a", "b"], Some(2), 3), vec![page(&["b"], None, 3)]), changed);
        assert_eq!(read(page(&["a", "b"], Some(2), 4), vec![page(&["c"], None, 4)]), changed);
        assert_eq!(read(page(&["a", "b"], Some(2), 3), vec![page(&["c"], None, 4)]), changed);
    }

    #[test]
    fn nonsense_is_an_error() {
        assert_eq!(read(json!({}), vec![]), Err("the answer to sessions.list has no sessions".to_owned()));
        let endless = json!({"sessions": [], "hasMore": true, "nextOffset": 2});
        assert!(read(endless.clone(), vec![endless]).is_err_and(|why| why.contains("more than 200 pages")));
        assert!(read(page(&["a", "b"], Some(2), 3), vec![]).is_err());
    }
}
