//! The file in which a person gets their credentials: a zip, written in memory.

use std::io::{Cursor, Write as _};

use zeroize::Zeroizing;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Why a bundle cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the bundle: {0}")]
pub struct BundleError(#[from] zip::result::ZipError);

/// A file of a bundle.
pub struct BundleFile {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// The files of a bundle, in the order in which they were put in.
#[derive(Default)]
pub struct Bundle {
    files: Vec<BundleFile>,
}

impl Bundle {
    /// Puts files in.
    pub fn put(&mut self, files: impl IntoIterator<Item = BundleFile>) {
        self.files.extend(files);
    }

    /// Puts a text in that is no secret.
    pub fn put_text(&mut self, name: &str, text: &str) {
        self.files
            .push(BundleFile { name: name.to_owned(), bytes: Zeroizing::new(text.as_bytes().to_vec()) });
    }

    /// Returns whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Writes the zip. Nothing is compressed: what is sealed does not shrink, and the rest is short.
    pub fn to_zip(&self) -> Result<Zeroizing<Vec<u8>>, BundleError> {
        // Room for all of it from the start: a buffer that grows leaves copies of what was in it behind.
        let room: usize = self.files.iter().map(|file| file.bytes.len() + 4 * file.name.len() + 512).sum();
        let mut zip = ZipWriter::new(Cursor::new(Vec::with_capacity(room + 512)));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .unix_permissions(0o600);
        for file in &self.files {
            zip.start_file(&file.name, options)?;
            zip.write_all(&file.bytes).map_err(zip::result::ZipError::from)?;
        }
        Ok(Zeroizing::new(zip.finish()?.into_inner()))
    }
}
