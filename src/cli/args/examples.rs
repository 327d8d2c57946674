//! The examples at the end of each help text.

pub(super) const SERVE: &str = "\
Examples:
  kiln serve
  kiln serve --listen 127.0.0.1:9000 --data /var/lib/kiln --workers 4
  kiln serve --no-agent";

pub(super) const AGENT: &str = "\
Examples:
  kiln agent --server http://127.0.0.1:8000
  kiln agent --server http://127.0.0.1:8000 --token-file enrollment.token --workers 2";

pub(super) const IMAGES: &str = "\
Examples:
  kiln images build                    the default toolchains
  kiln images build gcc:14 clang:19
  kiln images list";

pub(super) const IMAGES_BUILD: &str = "\
Examples:
  kiln images build
  kiln images build gcc:14 clang:19
  kiln images build --all";

pub(super) const IMAGES_LIST: &str = "\
Examples:
  kiln images list
  kiln images list --json";

pub(super) const BUILD: &str = "\
Examples:
  kiln build https://git.example/project.git
  kiln build https://git.example/project.git -t gcc:14,clang:19 --ref v1.2 --test
  kiln build https://git.example/project.git -t gcc:14 --download out -- make CFLAGS=-O3
  kiln build https://git.example/project.git -t gcc:14 -v > build.log
  kiln build https://git.example/project.git --detach --json

On Ctrl-C a person at a terminal is asked whether to cancel the build, to detach from it or to go
on; Ctrl-C again detaches. Without a terminal, Ctrl-C detaches. A build that is detached goes on.";

pub(super) const RUN: &str = "\
Examples:
  kiln run -t gcc:14 -- make test
  kiln run -t gcc:14 --download out -- 'cc -O2 -o app main.c'
  kiln run -t clang:19 --source https://git.example/project.git -- 'cc --version && ls'

The command's output comes as it is on the two outputs, and its exit status is passed on. Exit codes
of kiln's own: 124 the command ran out of time, 125 it did not run (the error output says why), 130
it was cancelled. Ctrl-C cancels it.";

pub(super) const INIT: &str = "\
Examples:
  kiln init
  kiln init path/to/project --print

No server is needed: kiln looks at the folder and writes down the steps it would run.";

pub(super) const RETRY: &str = "\
Examples:
  kiln retry 01KB0Q6M3V8W2T5XJ4C9ZR7HND            the legs that did not succeed
  kiln retry 01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:14 --follow";

pub(super) const BUILDS: &str = "\
Examples:
  kiln builds
  kiln builds --outcome failure --toolchain clang:19 --limit 5
  kiln builds --state running --json";

pub(super) const SHOW: &str = "\
Examples:
  kiln show 01KB0Q6M3V8W2T5XJ4C9ZR7HND
  kiln show 01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:14
  kiln show 01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:14 --by-hand | sh
  kiln show 01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:14 --diagnostics --severity error";

pub(super) const LOG: &str = "\
Examples:
  kiln log 01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:14
  kiln log -f 01KB0Q6M3V8W2T5XJ4C9ZR7HND
  kiln log 01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:14 --stream stderr > errors.log

In a pipe the log is what the build wrote, byte for byte; on a terminal only its colors are left of
what a terminal would act on. A log that is followed goes on by itself when the connection breaks.";

pub(super) const ARTIFACTS: &str = "\
Examples:
  kiln artifacts 0123456789abcdef0123456789abcdef01234567
  kiln artifacts 01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:14
  kiln artifacts 01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:14 'build/*.so'
  kiln artifacts 01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:14 build/app --output app
  kiln artifacts 01KB0Q6M3V8W2T5XJ4C9ZR7HND --download out";

pub(super) const CANCEL: &str = "\
Examples:
  kiln cancel 01KB0Q6M3V8W2T5XJ4C9ZR7HND
  kiln cancel 01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:14";

pub(super) const TOOLCHAINS: &str = "\
Examples:
  kiln toolchains
  kiln toolchains --json";

pub(super) const AGENTS: &str = "\
Examples:
  kiln agents
  kiln agents --json
  kiln agents enroll
  kiln agents hold builder-3 --reason \"new disk\"
  kiln agents drain builder-3 --wait
  kiln agents resume builder-3";

pub(super) const RETENTION: &str = "\
Examples:
  kiln retention plan
  kiln retention project zlib --artifacts 30 --per-branch 50
  kiln pin 01KB0Q6M3V8W2T5XJ4C9ZR7HND --reason \"shipped as 1.2\"
  kiln delete 01KB0Q6M3V8W2T5XJ4C9ZR7HND --artifacts-only
  kiln usage";

pub(super) const TOKEN: &str = "\
Examples:
  kiln token create laptop --owner alice --role submit
  kiln token create dashboard --role read --project zlib --expires 365d
  kiln token create ci --role submit --token-file ./ci-token
  kiln token list
  kiln token revoke alice/laptop";

pub(super) const WHOAMI: &str = "\
Examples:
  kiln whoami
  KILN_TOKEN_FILE=./ci-token kiln whoami --json";

pub(super) const AUDIT: &str = "\
Examples:
  kiln audit
  kiln audit --actor user:alice --limit 10";

pub(super) const PROJECT: &str = "\
Examples:
  kiln project add zlib https://example.org/zlib.git
  kiln project list
  kiln project remove zlib";

pub(super) const WATCH: &str = "\
Examples:
  kiln watch zlib
  kiln watch zlib --branch main --branch 'release/*' --tag 'v*' -t gcc:14,clang:19 --supersede
  kiln watch https://git.example.org/zlib.git
  kiln watch zlib --show > rules.json; kiln watch zlib --rules rules.json
  kiln watch zlib --check
  kiln refs zlib
  kiln unwatch zlib";

pub(super) const REBUILD: &str = "\
Examples:
  kiln rebuild -t gcc:14     what was built with gcc:14, after a new image of it
  kiln rebuild zlib curl     all of two projects";

pub(super) const HOOK: &str = "\
Examples:
  kiln hook set zlib
  kiln hook list zlib
  kiln hook replay zlib 01KB0Q6M3V8W2T5XJ4C9ZR7HNM
  kiln hook remove zlib";

pub(super) const CREDENTIAL: &str = "\
Examples:
  kiln credential set zlib --host git.example.org < token
  kiln credential set zlib --host git.example.org --host-key 'ssh-ed25519 AAAA…' --from id_ed25519
  kiln credential show zlib
  kiln credential remove zlib";

pub(super) const NOTIFY: &str = "\
Examples:
  kiln notify add zlib github < token
  kiln notify add zlib gitea --url https://git.example.org/api/v1/repos/madler/zlib < token
  kiln notify add zlib webhook --url https://chat.example.org/kiln < key
  kiln notify log zlib
  kiln notify resend zlib 01KB0Q6M3V8W2T5XJ4C9ZR7HNP
  kiln notify remove zlib 01KB0Q6M3V8W2T5XJ4C9ZR7HNN";

pub(super) const SECRET: &str = "\
Examples:
  kiln secret set zlib DEPLOY_TOKEN --step deploy < token
  kiln secret set zlib SIGNING_KEY --as-file --from key.pem
  kiln secret list zlib
  kiln secret trust zlib refs/heads/main 'refs/tags/v*'
  kiln secret remove zlib DEPLOY_TOKEN";

pub(super) const QUEUE: &str = "\
Examples:
  kiln queue list
  kiln queue set nightly --concurrency 2 --priority -10
  kiln queue set release --requires trusted --per-project 1
  kiln queue set nightly --concurrency none
  kiln queue pause nightly --reason \"new disk\"
  kiln build https://git.example/project.git --queue nightly";

pub(super) const DB: &str = "\
Examples:
  kiln db move --to postgres://kiln@db.example/kiln
  KILN_DATABASE_URL=postgres://kiln@db.example/kiln kiln db move --data /var/lib/kiln
  kiln db backup --data /var/lib/kiln /backup/kiln-monday.db
  kiln db restore --data /var/lib/kiln /backup/kiln-monday.db

The server must be stopped, except for a backup. A password belongs into the settings (database.password_file) or the
environment, where other users do not see it.";

pub(super) const ENROLL: &str = "\
Examples:
  kiln agents enroll                                            one agent, within an hour
  kiln agents enroll --unlimited --expires 24h --label team=a   the machines of a cluster
  kiln agents enroll --token-file ./token --name-prefix lab-";

pub(super) const COMPLETIONS: &str = "\
Examples:
  source <(kiln completions bash)                               in ~/.bashrc
  source <(kiln completions zsh)                                in ~/.zshrc
  kiln completions fish > ~/.config/fish/completions/kiln.fish

Toolchains and ids are asked of the server while you type.";

pub(super) const MAN: &str = "\
Examples:
  kiln man | man -l -
  kiln man build | man -l -
  kiln man --dir /usr/local/share/man/man1";
