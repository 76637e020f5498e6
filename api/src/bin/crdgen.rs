//! Prints the CustomResourceDefinition as YAML: `crdgen > charts/eoslab/files/crds/loadtests.yaml`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match eoslab_api::crd::loadtest_crd_yaml() {
        Ok(yaml) => {
            print!("{yaml}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("crdgen: {error}");
            ExitCode::FAILURE
        }
    }
}
