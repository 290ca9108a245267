//! Where everything stands in a YAML file: line and column of each key and value, found in a pass of its own, because a deserialised
//! value has forgotten where it came from.

use saphyr_parser::{Event, Parser, Span};

/// A place in the file; both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self { line: span.start.line(), column: span.start.col() + 1 }
    }
}

/// A step of a path: a key of a mapping, or a place in a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

/// A node of the document with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Scalar,
    Sequence(Vec<Node>),
    Mapping(Vec<(String, Place, Node)>),
}

/// Why a file cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) place: Place,
    pub(super) message: String,
}

/// Deeper nesting is no workload.
const DEPTH_MAX: usize = 32;

impl Node {
    /// Maps the one document of a file.
    pub(super) fn map(text: &str) -> Result<Self, Problem> {
        let mut events = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| Problem {
                place: Place { line: error.marker().line(), column: error.marker().col() + 1 },
                message: error.info().to_string(),
            })?;
            match event {
                Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                Event::Nothing => {}
                event => events.push((event, Place::from(span))),
            }
        }
        let mut events = events.into_iter();
        let Some(first) = events.next() else {
            let message = "the file is empty".to_string();
            return Err(Problem { place: Place { line: 1, column: 1 }, message });
        };
        let root = node(first, &mut events, 0)?;
        match events.next() {
            None => Ok(root),
            Some((_, place)) => {
                Err(Problem { place, message: "a workload is one document".to_string() })
            }
        }
    }

    /// A document of which nothing is known.
    pub(super) fn nowhere() -> Self {
        Self { place: Place { line: 0, column: 0 }, content: Content::Scalar }
    }

    /// The node at a path, as far as the path leads.
    pub(super) fn at(&self, path: &[Segment]) -> &Self {
        let Some((first, rest)) = path.split_first() else { return self };
        self.child(first).map_or(self, |child| child.at(rest))
    }

    fn child(&self, segment: &Segment) -> Option<&Self> {
        match (&self.content, segment) {
            (Content::Mapping(entries), Segment::Key(key)) => {
                entries.iter().find(|(name, ..)| name == key).map(|(_, _, node)| node)
            }
            (Content::Sequence(items), Segment::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// Where a key of this mapping stands.
    pub(super) fn key(&self, key: &str) -> Option<Place> {
        let Content::Mapping(entries) = &self.content else { return None };
        entries.iter().find(|(name, ..)| name == key).map(|(_, place, _)| *place)
    }
}

type Events<'a> = std::vec::IntoIter<(Event<'a>, Place)>;

fn node(
    (event, place): (Event<'_>, Place),
    events: &mut Events<'_>,
    depth: usize,
) -> Result<Node, Problem> {
    let problem = |message: &str| Problem { place, message: message.to_string() };
    if depth > DEPTH_MAX {
        return Err(problem("nested too deeply"));
    }
    let content = match event {
        Event::Scalar(..) => Content::Scalar,
        Event::SequenceStart(..) => sequence(events, depth)?,
        Event::MappingStart(..) => mapping(events, depth)?,
        Event::Alias(_) => return Err(problem("aliases are not used in workloads; write it out")),
        _ => return Err(problem("unexpected YAML")),
    };
    Ok(Node { place, content })
}

fn sequence(events: &mut Events<'_>, depth: usize) -> Result<Content, Problem> {
    let mut items = Vec::new();
    while let Some(event) = events.next() {
        if matches!(event.0, Event::SequenceEnd) {
            break;
        }
        items.push(node(event, events, depth + 1)?);
    }
    Ok(Content::Sequence(items))
}

fn mapping(events: &mut Events<'_>, depth: usize) -> Result<Content, Problem> {
    let mut entries: Vec<(String, Place, Node)> = Vec::new();
    while let Some((event, place)) = events.next() {
        let key = match event {
            Event::MappingEnd => break,
            Event::Scalar(key, ..) => key.to_string(),
            _ => return Err(Problem { place, message: "a key is a plain word".to_string() }),
        };
        if let Some((_, first, _)) = entries.iter().find(|(name, ..)| *name == key) {
            let message = format!("`{key}` stands here twice (first in line {})", first.line);
            return Err(Problem { place, message });
        }
        let Some(value) = events.next() else { break };
        let value = node(value, events, depth + 1)?;
        entries.push((key, place, value));
    }
    Ok(Content::Mapping(entries))
}
