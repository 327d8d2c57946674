//! What can be missing, precisely enough to look it up in an index of packages.

use serde::{Deserialize, Serialize};

/// What kind of thing is missing, precisely enough to look it up in an index of packages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingKind {
    /// A header as it is included: `event2/event.h`.
    Header,
    /// A library without `lib` and ending: `event` of `-levent`.
    Library,
    /// A program's name: `gtkdocize`.
    Program,
    /// A module of pkg-config, without a version: `libevent`.
    PkgConfig,
    /// A package as `find_package` names it: `Libevent`.
    CMakePackage,
    /// An m4 macro that autoconf does not know: `AX_PTHREAD`.
    Macro,
    /// A Perl module: `XML::Parser`.
    PerlModule,
    /// A Python module: `jinja2`.
    PythonModule,
}

/// One thing that is missing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Missing {
    /// What it is.
    pub kind: MissingKind,
    /// Its name; a name, never a path of the machine or a sentence.
    pub name: String,
}
