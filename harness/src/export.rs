//! A history as a table, one row an operation, in Parquet: for those who explore with DuckDB and the like.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use checker::history::{History, NEVER, View};
use parquet::basic::Encoding;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

/// The columns, in the order in which rows are written. What is absent is NULL: the key of a history without keys, a value that is `null`, the
/// end of an operation that was still open.
const SCHEMA: &str = "message history {
    required int64 operation;
    required int64 process;
    optional binary node (string);
    required binary f (string);
    optional binary key (string);
    optional binary value (string);
    required binary outcome (string);
    optional binary error (string);
    required int64 invoked_index;
    optional int64 completed_index;
    required int64 invoked_ns;
    optional int64 completed_ns;
    optional int64 duration_ns;
}";

/// Rows that are written at once.
const GROUP_ROWS: usize = 1 << 17;

/// Writes all operations, in the order of their invocations.
pub(crate) fn parquet(history: &History, out: impl Write + Send) -> anyhow::Result<()> {
    let schema = parse_message_type(SCHEMA).context("the schema of the table")?;
    let mut writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties()))?;
    let ends = history.ends();
    let places: Vec<_> = (0..ends.len()).collect();
    for places in places.chunks(GROUP_ROWS) {
        let mut group = writer.next_row_group()?;
        let rows: Vec<_> = places.iter().map(|place| row(history, *place, ends[*place])).collect();
        write_rows(&rows, &mut group)?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// Numbers that grow are kept as their differences; nothing is packed, so that every reader reads it.
fn properties() -> WriterProperties {
    let growing = ["operation", "invoked_index", "completed_index", "invoked_ns", "completed_ns"];
    let mut properties = WriterProperties::builder();
    for column in growing {
        let column = ColumnPath::from(column);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}

/// An operation with the event that ended it, *info* included.
struct Row<'a> {
    place: usize,
    operation: View<'a>,
    /// The event and its time in nanoseconds.
    ended: Option<(usize, u64)>,
}

fn row(history: &History, place: usize, end: u32) -> Row<'_> {
    let ended = (end != NEVER).then(|| (end as usize, history.time(end as usize)));
    Row { place, operation: history.view(place), ended }
}

fn write_rows(
    rows: &[Row<'_>],
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
) -> anyhow::Result<()> {
    let text = |text: &str| Some(ByteArray::from(text));
    let value = |row: &Row<'_>| {
        let value = row.operation.value();
        (!value.is_null()).then(|| ByteArray::from(value.to_string().as_str()))
    };
    integers(group, false, rows, |row| Some(row.place as u64))?;
    integers(group, false, rows, |row| Some(row.operation.process()))?;
    texts(group, true, rows, |row| row.operation.node().and_then(text))?;
    texts(group, false, rows, |row| text(row.operation.f()))?;
    texts(group, true, rows, |row| row.operation.key().and_then(|key| text(&key)))?;
    texts(group, true, rows, value)?;
    texts(group, false, rows, |row| text(row.operation.outcome().name()))?;
    texts(group, true, rows, |row| row.operation.error().and_then(text))?;
    integers(group, false, rows, |row| Some(row.operation.invoked() as u64))?;
    integers(group, true, rows, |row| row.ended.map(|(event, _)| event as u64))?;
    integers(group, false, rows, |row| Some(row.operation.invoked_time()))?;
    integers(group, true, rows, |row| row.ended.map(|(_, time)| time))?;
    integers(group, true, rows, |row| {
        row.ended.map(|(_, time)| time - row.operation.invoked_time())
    })
}

/// The next column, of integers.
fn integers(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    is_optional: bool,
    rows: &[Row<'_>],
    of: impl Fn(&Row<'_>) -> Option<u64>,
) -> anyhow::Result<()> {
    let cells: Vec<_> = rows.iter().map(of).collect();
    let levels: Vec<_> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Result<Vec<_>, _> = cells.into_iter().flatten().map(i64::try_from).collect();
    let values = values.context("a number is above 2^63 - 1")?;
    let mut column = group.next_column()?.context("the schema has a column for each")?;
    column.typed::<Int64Type>().write_batch(&values, is_optional.then_some(&levels), None)?;
    Ok(column.close()?)
}

/// The next column, of texts.
fn texts(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    is_optional: bool,
    rows: &[Row<'_>],
    of: impl Fn(&Row<'_>) -> Option<ByteArray>,
) -> anyhow::Result<()> {
    let cells: Vec<_> = rows.iter().map(of).collect();
    let levels: Vec<_> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<_> = cells.into_iter().flatten().collect();
    let mut column = group.next_column()?.context("the schema has a column for each")?;
    column.typed::<ByteArrayType>().write_batch(&values, is_optional.then_some(&levels), None)?;
    Ok(column.close()?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use checker::history::Tuples;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    const HISTORY: &str = r#"[{"process":7,"type":"invoke","f":"read","key":"k","value":null,"node":"n2","time":5},
{"process":8,"type":"invoke","f":"write","value":[1,"x"],"time":6},{"process":7,"type":"ok","f":"read","key":"k","value":"a","node":"n2","time":9},
{"process":8,"type":"info","f":"write","error":"lost","time":11},{"process":9,"type":"invoke","f":"read","time":12}]"#;

    #[test]
    fn every_operation_is_a_row() {
        let history = History::from_bytes(HISTORY.as_bytes(), Tuples::Values, Path::new("history"));
        let file = tempfile::NamedTempFile::new().unwrap();
        parquet(&history.unwrap(), file.reopen().unwrap()).unwrap();
        let reader = SerializedFileReader::new(file.reopen().unwrap()).unwrap();
        let rows: Vec<_> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        let expected = [
            r#"{operation: 0, process: 7, node: "n2", f: "read", key: "k", value: ""a"", outcome: "ok", error: null, invoked_index: 0, completed_index: 2, invoked_ns: 5, completed_ns: 9, duration_ns: 4}"#,
            r#"{operation: 1, process: 8, node: null, f: "write", key: null, value: "[1,"x"]", outcome: "info", error: "lost", invoked_index: 1, completed_index: 3, invoked_ns: 6, completed_ns: 11, duration_ns: 5}"#,
            r#"{operation: 2, process: 9, node: null, f: "read", key: null, value: null, outcome: "open", error: null, invoked_index: 4, completed_index: null, invoked_ns: 12, completed_ns: null, duration_ns: null}"#,
        ];
        assert_eq!(rows, expected);
    }
}
