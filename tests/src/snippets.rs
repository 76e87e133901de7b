//! JavaScript of documents, run by Node.js with the packages of `tests/interop`.

use crate::node;
use crate::program::Program;

/// The first line of fragments, which leave it out.
pub const IMPORT: &str = "import { io } from \"socket.io-client\";\n";

/// The fenced blocks of a Markdown text in this language, in their order.
pub fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let code: Vec<&str> =
            lines.by_ref().take_while(|line| !line.trim_start().starts_with("```")).collect();
        if info.split(',').next() == Some(language) {
            blocks.push(code.join("\n"));
        }
    }
    blocks
}

/// The tokens of Rust code between the comments `// Snippet NAME` and `// End` of a source file, or of a whole text, without
/// comments, spaces and commas: documents are laid out by hand, and code by rustfmt.
///
/// # Panics
///
/// When the source has no such comments.
pub fn tokens(code: &str, name: Option<&str>) -> String {
    let code = match name {
        None => code,
        Some(name) => {
            let start = format!("// Snippet {name}\n");
            let (_, rest) = code.split_once(&start).unwrap_or_else(|| panic!("there is no {start}"));
            rest.split_once("// End").unwrap_or_else(|| panic!("{name} has no end")).0
        }
    };
    let code = code.lines().map(|line| match line.split_once("//") {
        // The slashes of a URL are no comment.
        Some((before, _)) if !before.ends_with(':') => before,
        _ => line,
    });
    code.flat_map(str::chars).filter(|char| !char.is_whitespace() && *char != ',').collect()
}

/// The documentation at the top of a Rust file.
pub fn documentation(code: &str) -> String {
    let comments = code.lines().filter_map(|line| line.strip_prefix("//!"));
    comments.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

/// A running script, which is killed when it is dropped.
pub struct Script(Program);

impl Script {
    /// Runs a module.
    ///
    /// # Panics
    ///
    /// When Node.js cannot be started.
    pub fn start(code: &str) -> Self {
        let mut node = node::command();
        node.args(["--experimental-websocket", "--no-warnings", "--input-type=module", "--eval", code]);
        Self(Program::start(&mut node, node::NEEDED))
    }

    /// The next line that the script prints.
    ///
    /// # Panics
    ///
    /// When the script ends before.
    pub async fn line(&mut self) -> String {
        self.0.line().await
    }

    /// All that the script prints up to a line that contains this text, in one line.
    ///
    /// # Panics
    ///
    /// When the script ends before.
    pub async fn until(&mut self, text: &str) -> String {
        let mut printed = self.line().await;
        while !printed.contains(text) {
            printed = format!("{printed} {}", self.line().await.trim_start());
        }
        printed
    }
}
