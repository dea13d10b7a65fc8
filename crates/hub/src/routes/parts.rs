//! Parts of the request line, refused as everything else is: by a problem document.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, rejection::PathRejection},
    http::request::Parts,
};
use postern_api::problem::Code;
use serde::de::DeserializeOwned;

use crate::{
    error::{Error, Result, refuse},
    hub::Hub,
};

/// Segments of the path.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Hub>> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self> {
        // PostgreSQL keeps no NUL in text, and nothing here is called so.
        if parts.uri.path().contains("%00") {
            return Err(Code::NotFound.into());
        }
        match axum::extract::Path::from_request_parts(parts, hub).await {
            Ok(axum::extract::Path(segments)) => Ok(Self(segments)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => {
                Err(refuse(Code::Malformed, "the path is not of the form that the document describes"))
            }
            Err(rejection) => Err(Error::Internal(rejection.to_string())),
        }
    }
}

/// What follows the question mark.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Hub>> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(refuse(Code::Malformed, "no NUL in the query"));
        }
        match axum::extract::Query::from_request_parts(parts, hub).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(refuse(Code::Malformed, rejection.body_text())),
        }
    }
}
