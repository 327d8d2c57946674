//! `Configure` with a capital letter: OpenSSL's, which is Perl, and metaconfig's, which asks people.
//!
//! Neither is like any other configure script, and both come without a Makefile.

use std::collections::BTreeMap;

use super::{
    Found, System, Wish,
    kind::{Rank, step},
    script,
};
use crate::{
    builder::listing::{Folder, quote},
    model::StepKind,
};

pub(super) fn find(folder: Folder<'_>, wish: Wish<'_>) -> Vec<Found> {
    one(folder, wish).into_iter().collect()
}

fn one(folder: Folder<'_>, wish: Wish<'_>) -> Option<Found> {
    let kind = folder.file("Configure")?;
    let text = folder.text("Configure").unwrap_or_default();
    let call = script::call(kind, "Configure", &text);
    let first = text.lines().next().unwrap_or_default();
    let (configure, test) = if first.contains("perl") {
        (format!("{call}{}", openssl(wish)?), "test")
    } else if text.contains("metaconfig") && wish.toolchain.configure_host.is_none() {
        (format!("{call} -des -Dcc=\"$CC\""), "test")
    } else {
        return None;
    };
    let mut steps = vec![
        step(StepKind::Configure, format!("{}{configure}", folder.enter())),
        step(StepKind::Compile, format!("{}make", folder.enter())),
    ];
    if wish.test {
        steps.push(step(StepKind::Test, format!("{}make {test}", folder.enter())));
    }
    Some(Found {
        system: System::Configure,
        rank: Rank::Configure,
        because: "there is a Configure script".to_owned(),
        steps,
        env: BTreeMap::new(),
    })
}

/// The platform in OpenSSL's words; it finds out by itself where it builds for its own machine.
fn openssl(wish: Wish<'_>) -> Option<String> {
    let Some(host) = &wish.toolchain.configure_host else { return Some(String::new()) };
    let target = match host.split('-').next()? {
        "x86_64" if host.contains("mingw") => "mingw64",
        "aarch64" => "linux-aarch64",
        "x86_64" => "linux-x86_64",
        _ => return None,
    };
    // CC is the cross compiler's full name already, the other tools are found by the prefix.
    Some(format!(" {target} --cross-compile-prefix= CC={}", quote(&wish.toolchain.cc)))
}
