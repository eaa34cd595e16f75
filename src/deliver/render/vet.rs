//! What a template may not contain, found by walking it before it is ever rendered.
//!
//! Partials that include each other would overflow the stack (handlebars does not guard against it), nested loops
//! could run for minutes, and raw output would let alert data break out of JSON or into markup.

use std::collections::BTreeMap;

use handlebars::Template;
use handlebars::template::{DecoratorTemplate, HelperTemplate, Parameter, TemplateElement};

use crate::limits::{TEMPLATE_EACH_DEPTH_MAX, TEMPLATE_PARTIAL_DEPTH_MAX};

/// A template with the partials it uses.
pub(super) struct Vetted {
    each_depth: usize,
    /// Names of partials and how many loops stand around their use.
    partials: Vec<(String, usize)>,
}

/// Looks for what is refused in one template alone.
pub(super) fn vet(template: &Template) -> Result<Vetted, String> {
    let mut vetted = Vetted { each_depth: 0, partials: Vec::new() };
    walk(template, 0, &mut vetted)?;
    Ok(vetted)
}

/// Looks for cycles and too deep nesting across templates. Returns the names of offenders with the reason.
pub(super) fn vet_together(all: &BTreeMap<String, Vetted>) -> Vec<(String, String)> {
    let mut refused = Vec::new();
    for name in all.keys() {
        if let Err(why) = deepest(name, all, &mut Vec::new()) {
            refused.push((name.clone(), why));
        }
    }
    refused
}

/// The deepest nesting of loops in `name` and its partials.
fn deepest(
    name: &str,
    all: &BTreeMap<String, Vetted>,
    path: &mut Vec<String>,
) -> Result<usize, String> {
    if path.iter().any(|on| on == name) {
        path.push(name.to_owned());
        return Err(format!("partials include each other: {}", path.join(" -> ")));
    }
    let Some(vetted) = all.get(name) else {
        return Err(format!("there is no partial {name:?} of this form"));
    };
    path.push(name.to_owned());
    if path.len() > TEMPLATE_PARTIAL_DEPTH_MAX {
        return Err(format!("partials are nested more than {TEMPLATE_PARTIAL_DEPTH_MAX} deep"));
    }
    let mut depth = vetted.each_depth;
    for (partial, loops) in &vetted.partials {
        depth = depth.max(loops + deepest(partial, all, path)?);
    }
    path.pop();
    if depth > TEMPLATE_EACH_DEPTH_MAX {
        return Err(format!("loops are nested more than {TEMPLATE_EACH_DEPTH_MAX} deep"));
    }
    Ok(depth)
}

fn walk(template: &Template, loops: usize, vetted: &mut Vetted) -> Result<(), String> {
    for element in &template.elements {
        match element {
            TemplateElement::RawString(_)
            | TemplateElement::Comment(_)
            | TemplateElement::Expression(_) => {}
            TemplateElement::HtmlExpression(_) => {
                return Err("raw output ({{{...}}} or {{&...}}) is refused: alert data could break out of the text; \
                            use {{x}}, {{plain x}} or {{json x}}"
                    .to_owned());
            }
            TemplateElement::HelperBlock(block) => walk_block(block, loops, vetted)?,
            TemplateElement::PartialExpression(partial)
            | TemplateElement::PartialBlock(partial) => {
                walk_partial(partial, loops, vetted)?;
            }
            // Decorators, and whatever a later version of handlebars adds.
            _ => {
                return Err(
                    "decorators and inline partials are refused: write a template of its own"
                        .to_owned(),
                );
            }
        }
    }
    Ok(())
}

fn walk_block(block: &HelperTemplate, loops: usize, vetted: &mut Vetted) -> Result<(), String> {
    let inside =
        loops + usize::from(matches!(&block.name, Parameter::Name(name) if name == "each"));
    vetted.each_depth = vetted.each_depth.max(inside);
    for part in [&block.template, &block.inverse].into_iter().flatten() {
        walk(part, inside, vetted)?;
    }
    Ok(())
}

fn walk_partial(
    partial: &DecoratorTemplate,
    loops: usize,
    vetted: &mut Vetted,
) -> Result<(), String> {
    let Parameter::Name(name) = &partial.name else {
        return Err("the name of a partial must be written out".to_owned());
    };
    vetted.partials.push((name.clone(), loops));
    partial.template.as_ref().map_or(Ok(()), |inner| walk(inner, loops, vetted))
}
