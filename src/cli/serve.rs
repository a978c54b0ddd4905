//! A witness's service, and a reconciler's health, over HTTP/1.1: the transport alone. It speaks to whoever can reach it; put a proxy
//! with TLS and limits of its own before it where that is the world.

use super::output::say;
use assay_lab::witness::{Answer, Service};
use assay_lab::{LabError, Stop};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Bytes of a request at most: a proof, and a note with many signatures.
const LIMIT: usize = 2 << 20;
/// How long requests at hand may take when it is to stop.
const LINGER: Duration = Duration::from_secs(3);
/// How often it is asked whether to stop.
const TICK: Duration = Duration::from_millis(100);

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, answer.media)], answer.body).into_response()
}

/// Answers beside the thread that listens: an answer may wait for the witness's memory.
async fn answer(service: Arc<Service>, body: Bytes, by: fn(&Service, &[u8]) -> Answer) -> Response {
    match tokio::task::spawn_blocking(move || by(&service, &body)).await {
        Ok(answer) => respond(answer),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn add_checkpoint(State(service): State<Arc<Service>>, body: Bytes) -> Response {
    answer(service, body, Service::add_checkpoint).await
}

async fn study_seed(State(service): State<Arc<Service>>, body: Bytes) -> Response {
    answer(service, body, Service::study_seed).await
}

/// Serves a witness until somebody asks to stop; requests at hand are answered first.
///
/// # Errors
/// An address that cannot be listened on.
pub fn serve(listen: &str, service: Service, stop: &Stop) -> Result<(), LabError> {
    let routes = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/study-seed", post(study_seed))
        .layer(DefaultBodyLimit::max(LIMIT))
        .with_state(Arc::new(service));
    let _watched = stop.watch();
    run(listen, routes, stop)
}

/// Texts by path, made when they are asked for: a status and words.
pub type Page = Arc<dyn Fn() -> (u16, String) + Send + Sync>;

/// Serves texts until somebody asks to stop.
///
/// # Errors
/// An address that cannot be listened on.
pub fn pages(listen: &str, pages: &[(&str, Page)], stop: &Stop) -> Result<(), LabError> {
    let mut routes = Router::new();
    for (path, page) in pages {
        let page = page.clone();
        let shown = move || {
            let (status, body) = page();
            async move { respond(Answer { status, media: "text/plain; version=0.0.4", body }) }
        };
        routes = routes.route(path, get(shown));
    }
    run(listen, routes, stop)
}

fn run(listen: &str, routes: Router, stop: &Stop) -> Result<(), LabError> {
    let failed =
        |e: std::io::Error| LabError::usage(format!("cannot listen on {listen}: {e}"), "name another --listen");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (stop, stop_too) = (stop.clone(), stop.clone());
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        say(&format!("listening on http://{}", listener.local_addr().map_err(failed)?));
        let asked = async move {
            while !stop.requested() {
                tokio::time::sleep(TICK).await;
            }
        };
        let (told, asked) = (stop_too.clone(), asked);
        let serving = axum::serve(listener, routes).with_graceful_shutdown(asked).into_future();
        let patience = async move {
            while !told.requested() {
                tokio::time::sleep(TICK).await;
            }
            tokio::time::sleep(LINGER).await;
        };
        // Whoever never ends a request does not keep the service.
        tokio::select! {
            done = serving => done.map_err(failed),
            () = patience => Ok(()),
        }
    })
}
