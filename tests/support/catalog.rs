//! Which real projects there are, and how to tell that each was built.
//!
//! Together they have every build system and most of its traps. Versions are those of one release
//! of Debian. All of them build with nothing but kiln's own choice of commands, without network.

use super::projects::{Project, System};

/// The project that comes from this source package.
pub(crate) fn project(package: &str) -> &'static Project {
    let found = PROJECTS.iter().find(|project| project.package == package);
    found.unwrap_or_else(|| panic!("there is no project {package}"))
}

/// Seconds are of gcc 14 and clang 19 on two cores.
pub(crate) const PROJECTS: &[Project] = &[
    // 3 s. A program and two shared libraries that belong to it.
    Project {
        package: "md4c",
        system: System::CMake,
        artifacts: &[
            "build/md2html/md2html",
            "build/src/libmd4c.so.*",
            "build/src/libmd4c-html.so.*",
        ],
        proof: "/sbin/ldconfig -n build/src && \
                echo '# kiln' | LD_LIBRARY_PATH=build/src build/md2html/md2html",
        prints: "<h1>kiln</h1>\n",
    },
    // 22 s. Much generated data in C.
    Project {
        package: "brotli",
        system: System::CMake,
        artifacts: &[
            "build/brotli",
            "build/libbrotlicommon.so.*",
            "build/libbrotlidec.so.*",
            "build/libbrotlienc.so.*",
        ],
        proof: "/sbin/ldconfig -n build && export LD_LIBRARY_PATH=build && \
                echo kiln | build/brotli -c | build/brotli -dc",
        prints: "kiln\n",
    },
    // 17–25 s, nearly all of it configure. Autotools with gnulib and gettext.
    Project {
        package: "hello",
        system: System::Configure,
        artifacts: &["hello"],
        proof: "./hello --greeting=kiln",
        prints: "kiln\n",
    },
    // 11–18 s. Wants a terminal library.
    Project {
        package: "less",
        system: System::Configure,
        artifacts: &["less", "lessecho", "lesskey"],
        proof: "echo kiln | ./less && ./lessecho one two",
        prints: "kiln\none two\n",
    },
    // 5–8 s. The compiler is set in a Makefile one level down.
    Project {
        package: "lua5.4",
        system: System::Make,
        artifacts: &["src/lua", "src/luac", "src/liblua.a"],
        proof: "src/lua -e 'print(6 * 7)' && echo 'print(\"compiled\")' | src/luac -o out - && src/lua out",
        prints: "42\ncompiled\n",
    },
    // 3 s. Runs its own tests as a part of `make`.
    Project {
        package: "bzip2",
        system: System::Make,
        artifacts: &["bzip2", "bzip2recover", "libbz2.a"],
        proof: "echo kiln | ./bzip2 -c | ./bzip2 -dc",
        prints: "kiln\n",
    },
    // 3 s. Threads, and zlib from the image.
    Project {
        package: "pigz",
        system: System::Make,
        artifacts: &["pigz"],
        proof: "echo kiln | ./pigz -c | gzip -dc",
        prints: "kiln\n",
    },
    // 2–3 s.
    Project {
        package: "tree",
        system: System::Make,
        artifacts: &["tree"],
        proof: "mkdir folder && touch folder/file && ./tree --noreport --charset=ascii folder",
        prints: "folder\n`-- file\n",
    },
    // As git has it, without configure. Its configure asks git for the commit.
    Project {
        package: "htop",
        system: System::Autotools,
        artifacts: &["htop"],
        proof: "./htop --version",
        prints: "htop 3.4.1-655936c\n",
    },
    // As git has it, with an autogen.sh.
    Project {
        package: "libsodium",
        system: System::Autotools,
        artifacts: &["src/libsodium/.libs/libsodium.so.*", "src/libsodium/.libs/libsodium.a"],
        proof: "echo 'int puts(const char*); const char* sodium_version_string(void); \
                int main(void) { return puts(sodium_version_string()) < 0; }' > a.c && \
                cc a.c src/libsodium/.libs/libsodium.a -o a && ./a",
        prints: "1.0.18\n",
    },
    // The project is one folder down, with CMake and what makes a configure.
    Project {
        package: "expat",
        system: System::Below("expat"),
        artifacts: &["**/xmlwf", "**/libexpat.so.*"],
        proof: "so=$(dirname $(find . -name 'libexpat.so.1.*' -type f)) && /sbin/ldconfig -n $so && \
                echo '<a></b>' > a.xml && LD_LIBRARY_PATH=$so $(find . -name xmlwf -type f) a.xml || true",
        prints: "a.xml:1:5: mismatched tag\n",
    },
    // Meson alone; it is itself a Meson in C.
    Project {
        package: "muon-meson",
        system: System::Meson,
        artifacts: &["build/muon"],
        proof: "echo \"print('@0@'.format(40 + 2))\" > a.meson && build/muon internal eval a.meson",
        prints: "42",
    },
    // A library, with a C++ one beside it.
    Project {
        package: "libinih",
        system: System::Meson,
        artifacts: &["build/libinih.so*", "build/libINIReader.so*"],
        proof: "echo 'int puts(const char*); typedef int H(void*, const char*, const char*, const \
                char*); int ini_parse_string(const char*, H*, void*); static int h(void* u, const \
                char* s, const char* n, const char* v) { return puts(v) >= 0; } int main(void) { \
                return ini_parse_string(\"name=kiln\", h, 0); }' > a.c && \
                cc a.c build/libinih.so.0 -o a && LD_LIBRARY_PATH=build ./a",
        prints: "kiln\n",
    },
    // A configure that somebody wrote, which makes its own Makefile.
    Project {
        package: "nginx",
        system: System::Handwritten,
        artifacts: &["objs/nginx"],
        proof: "objs/nginx -v 2>&1",
        prints: "nginx version: nginx/1.26.3\n",
    },
    // A configure that only copies a Makefile; there is none before it.
    Project {
        package: "entr",
        system: System::Handwritten,
        artifacts: &["entr"],
        proof: "echo Makefile > list; touch Makefile; ./entr -z -n echo kiln < list",
        prints: "kiln\n",
    },
    // A compiler, which then compiles its own library: what is built is run while it is built.
    Project {
        package: "tcc",
        system: System::Handwritten,
        artifacts: &["tcc", "libtcc1.a", "libtcc.a"],
        proof: "./tcc -v | cut -d' ' -f1-3",
        prints: "tcc version 0.9.27\n",
    },
    // Many small programs in one Makefile's folders below, and a library they share.
    Project {
        package: "lz4",
        system: System::Make,
        artifacts: &["programs/lz4", "lib/liblz4.a"],
        proof: "echo kiln | programs/lz4 -c | programs/lz4 -dc",
        prints: "kiln\n",
    },
    Project {
        package: "xxhash",
        system: System::Make,
        artifacts: &["xxhsum", "libxxhash.a"],
        proof: "printf kiln | ./xxhsum -H0 | cut -c1-8",
        prints: "33f61f27\n",
    },
    // A version script of its own.
    Project {
        package: "unifdef",
        system: System::Make,
        artifacts: &["unifdef"],
        proof: "printf '#ifdef A\\na\\n#else\\nkiln\\n#endif\\n' | ./unifdef -UA; true",
        prints: "kiln\n",
    },
    Project {
        package: "figlet",
        system: System::Make,
        artifacts: &["figlet", "chkfont"],
        proof: "./figlet -I2",
        prints: "/usr/local/share/figlet\n",
    },
    // Five libraries of its own that are built first, and a server.
    Project {
        package: "redis",
        system: System::Make,
        artifacts: &["src/redis-server", "src/redis-cli"],
        proof: "src/redis-server --version | cut -d' ' -f1-3",
        prints: "Redis server v=8.0.2\n",
    },
    Project {
        package: "mujs",
        system: System::Make,
        artifacts: &["build/debug/mujs"],
        proof: "echo 'print(6 * 7)' > a.js && build/debug/mujs a.js",
        prints: "42\n",
    },
    // An old autoconf, and a parser that yacc makes.
    Project {
        package: "mawk",
        system: System::Configure,
        artifacts: &["mawk"],
        proof: "./mawk 'BEGIN { print 6 * 7 }'",
        prints: "42\n",
    },
    // Programs of its own write a part of its sources.
    Project {
        package: "dash",
        system: System::Configure,
        artifacts: &["src/dash"],
        proof: "src/dash -c 'echo $((6 * 7))'",
        prints: "42\n",
    },
    // A Makefile with targets of its own beside CMake.
    Project {
        package: "cmark",
        system: System::CMake,
        artifacts: &["build/src/cmark"],
        proof: "so=build/src; /sbin/ldconfig -n $so; echo '*kiln*' | LD_LIBRARY_PATH=$so $so/cmark",
        prints: "<p><em>kiln</em></p>\n",
    },
    Project {
        package: "cjson",
        system: System::CMake,
        artifacts: &["build/cJSON_test", "build/libcjson.so.*"],
        proof: "/sbin/ldconfig -n build && LD_LIBRARY_PATH=build build/cJSON_test | head -n 1",
        prints: "Version: 1.7.18\n",
    },
    // C++, with a Makefile, a Meson project and a CMake project for the same.
    Project {
        package: "tinyxml2",
        system: System::CMake,
        artifacts: &["build/libtinyxml2.a", "build/xmltest"],
        proof: "file build/xmltest | grep -c ELF",
        prints: "1\n",
    },
    // C++. Its tests are there by default and want submodules that are not.
    Project {
        package: "snappy",
        system: System::CMake,
        artifacts: &["build/libsnappy.a"],
        proof: "echo '#include <cstdio>\nextern \"C\" unsigned long snappy_max_compressed_length( \
                unsigned long); int main() { \
                std::printf(\"%lu\", snappy_max_compressed_length(6)); }' > a.cc && \
                c++ a.cc build/libsnappy.a -o a && ./a",
        prints: "39",
    },
];
