//! `operator`: runs LoadTests.

use std::process::ExitCode;

use anyhow::Context as _;
use eoslab_operator::args::Args;
use eoslab_operator::run::{Deps, run};
use eoslab_runtime::{exit, shutdown, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = match exit::parse_args() {
        Ok(args) => args,
        Err(exit) => return exit.into(),
    };
    match start(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("operator: {error:#}");
            exit::Exit::Error.into()
        }
    }
}

async fn start(args: Args) -> anyhow::Result<()> {
    telemetry::init(&args.log)?;
    let shutdown = shutdown::signal().context("cannot listen for signals")?;
    let client = kube::Client::try_default()
        .await
        .context("cannot reach the Kubernetes API")?;
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .context("cannot listen for HTTP")?;
    let (namespaces, image) = (args.namespaces(), args.image());
    let deps = Deps {
        client,
        namespaces,
        image,
        git_revision: option_env!("EOSLAB_GIT_REVISION").unwrap_or_default(),
        has_group_lag: args.consumergroup_lag,
        listener,
    };
    run(deps, shutdown).await.context("the operator has ended")
}
