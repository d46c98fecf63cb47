//! stub
use crate::models::card::Model;
use crate::models::error::ModelError;
/// stub
pub fn load() -> Result<Model, ModelError> {
    Err(ModelError::Internal("stub"))
}
