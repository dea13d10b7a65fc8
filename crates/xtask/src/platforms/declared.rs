//! Our declarations of Android (`stubs`), held against Android's own API.
//!
//! Its SDK cannot be had here, but npm has declarations in TypeScript that NativeScript generates from it. They name every
//! class, member, parameter and constant, which is all that our declarations say as well.

use std::collections::{BTreeMap, BTreeSet};

/// Classes by their full name.
#[derive(Debug, Default)]
pub(crate) struct Api(BTreeMap<String, Class>);

#[derive(Debug, Default)]
struct Class {
    parents: Vec<String>,
    members: BTreeSet<Member>,
}

/// A method, a constructor or a field, with types by their last name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    name: String,
    /// None: a field.
    parameters: Option<Vec<String>>,
    /// What it answers or holds; a constant is its own type in TypeScript.
    holds: String,
}

impl Api {
    /// Adds what one file of TypeScript declares.
    pub(crate) fn read(&mut self, text: &str) {
        // Each brace that is open: a module's or a class's name, or nothing of interest.
        let mut open: Vec<Option<(&str, bool)>> = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with('}') {
                open.pop();
                continue;
            }
            let named = after(line, &["declare ", "export ", "abstract "]);
            if let Some(module) = named.strip_prefix("module ") {
                open.push(Some((module.trim_end_matches(" {"), false)));
            } else if let Some(class) =
                named.strip_prefix("class ").or_else(|| named.strip_prefix("interface "))
            {
                let name = class.split([' ', '<']).next().unwrap_or_default();
                open.push(Some((name, true)));
                self.class(&open).parents = parents(class);
            } else if line.ends_with('{') {
                open.push(None);
            } else if matches!(open.last(), Some(Some((_, true))))
                && let Some(member) = typescript(line)
            {
                self.class(&open).members.insert(member);
            }
        }
    }

    fn class(&mut self, open: &[Option<(&str, bool)>]) -> &mut Class {
        let names: Vec<&str> = open.iter().flatten().map(|(name, _)| *name).collect();
        self.0.entry(names.join(".").replace("globalAndroid", "android")).or_default()
    }

    /// What one of our files in Java declares and Android does not.
    pub(crate) fn lacks(&self, java: &str) -> Vec<String> {
        let mut missing = Vec::new();
        for (class, member) in declared(java) {
            let Some(member) = member else {
                if !self.0.contains_key(&class) {
                    missing.push(class);
                }
                continue;
            };
            if !self.has(&class, &member) {
                missing.push(format!("{class}: {member:?}"));
            }
        }
        missing
    }

    fn has(&self, class: &str, wanted: &Member) -> bool {
        let Some(class) = self.0.get(class) else { return false };
        class.members.iter().any(|member| member.fits(wanted))
            || wanted.name != "constructor" && class.parents.iter().any(|parent| self.has(parent, wanted))
    }
}

impl Member {
    /// Whether ours is this one of Android's.
    fn fits(&self, ours: &Self) -> bool {
        let alike = |theirs: &String, ours: &String| theirs == ours || ours == "any" || theirs == "any";
        let parameters = match (&self.parameters, &ours.parameters) {
            (None, None) => true,
            (Some(theirs), Some(ours)) => {
                theirs.len() == ours.len()
                    && theirs.iter().zip(ours).all(|(theirs, ours)| alike(theirs, ours))
            }
            _ => false,
        };
        self.name == ours.name && parameters && alike(&self.holds, &ours.holds)
    }
}

fn after<'a>(mut line: &'a str, words: &[&str]) -> &'a str {
    while let Some(rest) = words.iter().find_map(|word| line.strip_prefix(word)) {
        line = rest;
    }
    line
}

/// `Name<T> extends a.B<T> implements c.D, e.F {`
fn parents(class: &str) -> Vec<String> {
    let Some((_, named)) = class.split_once(" extends ") else { return Vec::new() };
    let named = named.trim_end_matches('{').replace(" implements ", ",");
    split(&named)
        .map(|parent| parent.split('<').next().unwrap_or_default().trim().replace("globalAndroid", "android"))
        .collect()
}

/// Parts between commas that are in no brackets.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |character| {
        match character {
            '(' | '<' | '{' | '[' => depth += 1,
            ')' | '>' | '}' | ']' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

/// `public static name(first: type, second: type): type;` or `public static NAME: 4;`
fn typescript(line: &str) -> Option<Member> {
    let line = after(line.strip_suffix(';')?, &["public ", "protected ", "static ", "readonly "]);
    let (head, holds) = match line.rsplit_once("): ") {
        Some((head, holds)) => (head, holds),
        None if line.ends_with(')') => (line.trim_end_matches(')'), "void"),
        None => {
            let (name, holds) = line.split_once(": ")?;
            return Some(Member { name: name.into(), parameters: None, holds: last_name(holds) });
        }
    };
    let (name, parameters) = head.split_once('(')?;
    let parameters = split(parameters).map(|one| last_name(one.split_once(": ").map_or("", |(_, its)| its)));
    Some(Member {
        name: name.split('<').next()?.into(),
        parameters: Some(parameters.collect()),
        holds: last_name(holds),
    })
}

/// The last part of a type's name, with no generics and whether or not it may be null. Text of Java may be either of two
/// classes, which are one in TypeScript.
fn last_name(declared: &str) -> String {
    let name = declared.trim_end_matches(" | null");
    if name.starts_with('"') {
        return name.into();
    }
    let name = name.split('<').next().unwrap_or_default();
    match name.rsplit('.').next().unwrap_or_default() {
        "Array" | "Object" => "any".into(),
        "String" | "CharSequence" => "string".into(),
        name => name.into(),
    }
}

/// What a file of ours declares: each class, and each member of one.
fn declared(java: &str) -> Vec<(String, Option<Member>)> {
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut package = "";
    let mut body = 0_usize;
    for line in java.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("package ") {
            package = name.trim_end_matches(';');
            continue;
        }
        let words = after(line, &["public ", "protected ", "private ", "static ", "final ", "abstract "]);
        let class = words.strip_prefix("class ").or_else(|| words.strip_prefix("interface "));
        if let Some(class) = class {
            let name = class.split([' ', '<']).next().unwrap_or_default();
            let outer = open.last().cloned().unwrap_or_else(|| package.to_owned());
            let full = format!("{outer}.{name}");
            found.push((full.clone(), None));
            if !line.ends_with("{}") {
                open.push(full);
            }
        } else if body > 0 {
            body += line.matches('{').count();
            body -= line.matches('}').count();
        } else if line == "}" {
            open.pop();
        } else if let Some(class) = open.last()
            && let Some(member) = java_member(words, class)
        {
            found.push((class.clone(), Some(member)));
            body = usize::from(line.ends_with('{'));
        }
    }
    found
}

/// `type name(type first, type second) {`, `Name(type first) {}` or `type NAME = value;`
fn java_member(line: &str, class: &str) -> Option<Member> {
    let java_type = |name: &str| match name {
        "int" | "long" | "float" => "number".to_owned(),
        name if name.len() == 1 || name.ends_with("[]") => "any".to_owned(),
        name => last_name(name),
    };
    let Some((head, rest)) = line.split_once('(').filter(|(head, _)| !head.contains('=')) else {
        let (head, value) = line.trim_end_matches(';').split_once(" = ").unwrap_or((line, ""));
        let (holds, name) = head.trim_end_matches(';').rsplit_once(' ')?;
        let constant = value.starts_with('"') || value.starts_with(|first: char| first.is_ascii_digit());
        let number = value.strip_prefix("0x").and_then(|hex| i64::from_str_radix(hex, 16).ok());
        let holds = match number {
            Some(number) => number.to_string(),
            None if constant => value.to_owned(),
            None => java_type(holds),
        };
        return Some(Member { name: name.into(), parameters: None, holds });
    };
    let parameters = split(rest.rsplit_once(')')?.0)
        .map(|one| java_type(one.rsplit_once(' ').map_or(one, |(its, _)| its)))
        .collect();
    let (holds, name) = match head.rsplit_once(' ') {
        Some((holds, name)) => (java_type(holds), name),
        // A constructor is named as its class.
        None if class.ends_with(&format!(".{head}")) => ("void".to_owned(), "constructor"),
        None => return None,
    };
    Some(Member { name: name.into(), parameters: Some(parameters), holds })
}

#[cfg(test)]
mod tests {
    use super::Api;

    const ANDROID: &str = r#"
declare module android {
	export module content {
		export abstract class Context extends java.lang.Object {
			public static MODE_PRIVATE: 0;
			public static NAME: "n";
			public startActivity(intent: android.content.Intent | null): void;
			public constructor();
		}
	}
}
declare module androidx {
	export module activity {
		export class ComponentActivity extends globalAndroid.content.Context implements androidx.lifecycle.LifecycleOwner {
			public constructor(implementation: {
				getLifecycle(): any;
			});
			public moveTaskToBack(param0: boolean): boolean;
		}
	}
}
"#;

    fn lacks(java: &str) -> Vec<String> {
        let mut api = Api::default();
        api.read(ANDROID);
        api.lacks(java)
    }

    #[test]
    fn what_android_has_is_found_in_a_class_and_in_what_it_extends() {
        let java = "package android.content;\npublic abstract class Context {\n    public static final int MODE_PRIVATE = 0;\n\
                    public static final String NAME = \"n\";\n    public void startActivity(Intent intent) {\n        throw new X();\n    }\n}\n";
        assert_eq!(lacks(java), Vec::<String>::new());
        let java = "package androidx.activity;\npublic class ComponentActivity extends android.content.Context {\n    \
                    public boolean moveTaskToBack(boolean nonRoot) {\n        throw new X();\n    }\n    \
                    public void startActivity(Intent intent) {}\n}\n";
        assert_eq!(lacks(java), Vec::<String>::new());
    }

    #[test]
    fn what_android_does_not_have_is_named() {
        let wrong = |member: &str| {
            lacks(&format!("package android.content;\nclass Context {{\n{member}\n}}\n")).len()
        };
        assert_eq!(wrong("public void startActivity(Intent intent) {}"), 0);
        assert_eq!(wrong("public void startActivity(String intent) {}"), 1, "another type");
        assert_eq!(wrong("public void startActivity() {}"), 1, "another number of parameters");
        assert_eq!(wrong("public int startActivity(Intent intent) {}"), 1, "another answer");
        assert_eq!(wrong("public static final int MODE_PRIVATE = 1;"), 1, "another constant");
        assert_eq!(wrong("public void invented() {}"), 1);
        assert_eq!(lacks("package android.content;\nclass Invented {}\n"), ["android.content.Invented"]);
    }
}
