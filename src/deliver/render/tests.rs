//! Tests of loading and rendering templates.

use std::fs;

use super::*;
use crate::deliver::fit::LADDER;

/// Loads a directory with `files` over the built-in templates.
fn load(files: &[(&str, &str)]) -> Result<Templates, Vec<Problem>> {
    let dir = tempfile::tempdir().expect("temporary directory");
    for (name, text) in files {
        fs::write(dir.path().join(name), text).expect("write template");
    }
    Templates::load(Some(dir.path()))
}

fn render(templates: &Templates, form: Form, markup: Markup, name: &str) -> String {
    let samples = samples::all();
    let hostile = samples.iter().find(|sample| sample.name == "hostile").expect("sample");
    let context = Context::new(&hostile.news(), LADDER[0]);
    templates.render(form, markup, name, &context).expect("renders")
}

#[test]
fn built_in_templates_show_every_sample() {
    let templates = Templates::load(None).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(templates.forms("slack"), [Form::Json]);
    assert!(!templates.has(Form::Text, "slack"));
}

#[test]
fn refuses_what_cannot_work() {
    let rows: [(&[(&str, &str)], &str); 13] = [
        (&[("a.txt.hbs", "{{#if title}}")], "a.txt.hbs"),
        (&[("a.txt.hbs", "\n{{no_such_field}}")], "a.txt.hbs:2:1"),
        (&[("a.txt.hbs", "{{no_such_helper title}}")], "no_such_helper"),
        (&[("a.json.hbs", "{\"a\": \"{{{title}}}\"}")], "raw output"),
        (&[("a.json.hbs", "{\"a\": \"{{&title}}\"}")], "raw output"),
        (&[("a.json.hbs", "{\"a\": {{title}}}")], "invalid JSON"),
        (&[("a.txt.hbs", "{{> b}}"), ("b.txt.hbs", "{{> a}}")], "a -> b -> a"),
        (&[("a.txt.hbs", "{{> a}}")], "a -> a"),
        (&[("a.txt.hbs", "{{> (lookup this \"title\")}}")], "must be written out"),
        (&[("a.txt.hbs", "{{> slack}}")], "no partial \"slack\" of this form"),
        (&[("a.txt.hbs", "{{#*inline \"x\"}}y{{/inline}}")], "inline partials"),
        (
            &[
                ("a.txt.hbs", "{{#each members}}{{#each labels}}{{> b}}{{/each}}{{/each}}"),
                ("b.txt.hbs", B),
            ],
            "nested more than 3 deep",
        ),
        (&[("a.txt.hbs", "{{truncate title \"x\"}}")], "no number"),
    ];
    for (files, want) in rows {
        let problems = load(files).expect_err(want);
        let shown = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(shown.contains(want), "{want}: {shown}");
    }
}

/// Two more loops.
const B: &str = "{{#each @root.members}}{{#each @root.members}}x{{/each}}{{/each}}";

#[test]
fn output_is_bounded() {
    let long = "x".repeat(60_000);
    let text = format!("{{{{#each members}}}}{long}{{{{/each}}}}");
    let problems = load(&[("a.txt.hbs", &text)]).expect_err("too long");
    assert!(problems[0].message.contains("exceeds"), "{problems:?}");
}

#[test]
fn own_templates_win_and_escape_by_form() {
    let templates = load(&[
        ("slack.json.hbs", "{\"text\": \"{{title}}\", \"raw\": {{json title}}}"),
        ("x.html.hbs", "<b>{{title}}</b>"),
        ("x.txt.hbs", "{{title}}"),
    ])
    .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let slack = render(&templates, Form::Json, Markup::Mrkdwn, "slack");
    assert!(
        slack.contains("&lt;!channel&gt;") && slack.contains("\"raw\": \"<!channel>"),
        "{slack}"
    );
    assert!(
        render(&templates, Form::Json, Markup::None, "slack").contains("\"text\": \"<!channel>")
    );
    assert!(render(&templates, Form::Html, Markup::None, "x").contains("&lt;!channel&gt;"));
    assert!(render(&templates, Form::Text, Markup::None, "x").starts_with("<!channel>"));
}

#[test]
fn helpers() {
    let rows = [
        ("{{truncate \"abcdef\" 4}}", "abc…"),
        ("{{default \"\" \"x\"}}{{default \"y\" \"x\"}}{{default missing \"z\"}}", "xyz"),
        ("{{upper \"a\"}}{{lower \"B\"}}{{capital \"source\"}}", "AbSource"),
        ("{{plural 1 \"alert\" \"alerts\"}} {{plural 2 \"alert\" \"alerts\"}}", "alert alerts"),
        ("{{period 7500}}", "2h 5m"),
        ("{{ago \"2026-03-01T13:05:00Z\"}}", "1h"),
        ("{{time \"2026-03-01T13:05:00Z\"}}", "2026-03-01 13:05 UTC"),
        ("{{label \"team\"}}{{label \"nothing\"}}", "db"),
        ("{{urlencode \"a b/c?\"}}", "a%20b%2Fc%3F"),
        ("{{line text}}", "The data volume will be full in about 4 hours. Writes stop when it is."),
        ("{{contains \"abc\" \"b\"}}{{contains \"abc\" \"x\"}}", "truefalse"),
        ("{{plain \"a\"}}", "a"),
        ("{{join group \" \"}}", "alertname=DiskWillFill cluster=eu-1"),
    ];
    let samples = samples::all();
    let context = Context::new(&samples[0].news(), LADDER[0]);
    for (template, want) in rows {
        let mut registry = registry(false, str::to_owned);
        registry.register_template_string("t", template).expect("compiles");
        assert_eq!(render_in(&registry, "t", &context).expect(template), want, "{template}");
    }
}

#[test]
fn a_fallback_learns_at_first_why_it_is_told() {
    let samples = samples::all();
    let why = "told here because chat-db cannot be reached";
    for (name, said) in [("open", true), ("rise", false), ("resolved", false)] {
        let mut sample = samples.iter().find(|sample| sample.name == name).expect(name).clone();
        sample.told.via = Some("chat-db".to_owned());
        let context = Context::new(&sample.news(), LADDER[0]);
        assert_eq!(context.via, "chat-db");
        assert_eq!(context.news.contains(why), said, "{name}: {}", context.news);
    }
}

#[test]
fn every_field_is_documented() {
    let docs = include_str!("../../../docs/templates.md");
    let samples = samples::all();
    let context = Context::new(&samples[0].news(), LADDER[0]);
    let value = serde_json::to_value(&context).expect("serializes");
    let own = value.as_object().expect("object").keys();
    let members = value["members"][0].as_object().expect("object").keys();
    let hidden: Vec<_> = value
        .as_object()
        .expect("object")
        .keys()
        .filter(|name| helpers::HELPERS.iter().any(|h| h.0 == **name))
        .collect();
    assert!(hidden.is_empty(), "helpers hide the fields {hidden:?}");
    let missing: Vec<_> =
        own.chain(members).filter(|name| !docs.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/templates.md says nothing of {missing:?}");
}
