//! Settings of the toolchains: `[toolchains]`.
//!
//! Users choose toolchains by name only. What a name of the operator's own stands for is said here,
//! by those who answer for the machine.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::ToolchainName;

/// The section `[toolchains]` of a settings file.
#[derive(Clone, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolchainSettings {
    /// The toolchains of a build that names none; empty: the catalogue's.
    pub default: Vec<ToolchainName>,
    /// Other images as toolchains: `"gcc:15" = "any/reference:tag"`.
    pub images: BTreeMap<ToolchainName, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_by_toolchain_names() {
        let text = "default = ['gcc:15']\n[images]\n'gcc:15' = 'gcc:15.2'\n";
        let settings: ToolchainSettings = toml::from_str(text).unwrap();
        assert_eq!(settings.images[&"gcc:15".parse().unwrap()], "gcc:15.2");
        for bad in ["[images]\n'GCC' = 'x'", "defaults = []", "default = 'gcc:15'"] {
            assert!(toml::from_str::<ToolchainSettings>(bad).is_err(), "{bad}");
        }
    }
}
