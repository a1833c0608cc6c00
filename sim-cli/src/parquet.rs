//! Rows as Parquet, for programs that read whole columns: numbers are DOUBLE or UINT_64, the rest is text, and what is empty in a
//! CSV is null.

use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use crate::report::VERSION;

/// What the fields of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole numbers from 0 on.
    Whole,
    /// Numbers.
    Number,
    /// Text.
    Text,
}

/// The file of these rows, whose fields are as in a CSV.
pub(crate) fn encode(columns: &[(&str, Kind)], rows: &[Vec<String>]) -> Vec<u8> {
    written(columns, rows).expect("memory takes every row")
}

fn written(columns: &[(&str, Kind)], rows: &[Vec<String>]) -> Result<Vec<u8>> {
    let fields = columns.iter().map(|&(name, kind)| field(name, kind)).collect::<Result<Vec<_>>>()?;
    let schema = Type::group_type_builder("rows").with_fields(fields).build()?;
    let properties = WriterProperties::builder()
        .set_created_by(format!("mmusim {VERSION}"))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut file, Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    let mut index = 0;
    while let Some(mut column) = group.next_column()? {
        let fields: Vec<&str> = rows.iter().map(|row| row[index].as_str()).collect();
        column_of(column.untyped(), &fields)?;
        column.close()?;
        index += 1;
    }
    group.close()?;
    writer.close()?;
    Ok(file)
}

fn field(name: &str, kind: Kind) -> Result<TypePtr> {
    let (physical, converted) = match kind {
        Kind::Whole => (Physical::INT64, ConvertedType::UINT_64),
        Kind::Number => (Physical::DOUBLE, ConvertedType::NONE),
        Kind::Text => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
    };
    let builder = Type::primitive_type_builder(name, physical).with_converted_type(converted);
    Ok(Arc::new(builder.with_repetition(Repetition::OPTIONAL).build()?))
}

fn column_of(writer: &mut ColumnWriter<'_>, fields: &[&str]) -> Result<()> {
    let there: Vec<i16> = fields.iter().map(|field| i16::from(!field.is_empty())).collect();
    let values = fields.iter().filter(|field| !field.is_empty());
    match writer {
        ColumnWriter::Int64ColumnWriter(writer) => {
            let whole = values.map(|field| field.parse::<u64>().expect("a whole number").cast_signed());
            writer.write_batch(&whole.collect::<Vec<_>>(), Some(&there), None)?;
        }
        ColumnWriter::DoubleColumnWriter(writer) => {
            let numbers = values.map(|field| field.parse::<f64>().expect("a number"));
            writer.write_batch(&numbers.collect::<Vec<_>>(), Some(&there), None)?;
        }
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let texts = values.map(|field| ByteArray::from(*field));
            writer.write_batch(&texts.collect::<Vec<_>>(), Some(&there), None)?;
        }
        _ => unreachable!("columns are of three types"),
    }
    Ok(())
}
