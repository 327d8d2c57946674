//! The files under `images/`, as text in the binary.

/// A table from names to texts: a new file in the catalogue needs a line here, and a test says so.
macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        /// The text of a file under `images/`, by its path there.
        pub fn file(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../../images/", $name))),)*
                _ => None,
            }
        }
    };
}

embedded!(
    "toolchains.toml",
    "base.Dockerfile",
    "tools.Dockerfile",
    "index.Dockerfile",
    "package-index.sh",
    "install-packages.sh",
    "gcc.Dockerfile",
    "clang.Dockerfile",
    "mingw64.Dockerfile",
    "gcc-aarch64.Dockerfile",
    "musl.Dockerfile",
    "cross/mingw64.cmake",
    "cross/mingw64.meson",
    "cross/aarch64.cmake",
    "cross/aarch64.meson",
    "cross/musl-gcc",
    "cross/musl.cmake",
    "cross/musl.site",
);
