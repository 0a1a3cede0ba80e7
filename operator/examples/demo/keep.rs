//! `--keep`: leaves everything running after the walkthrough, to experiment with.

use crate::{Result, session::Session, signals::Signals};

const COMMANDS: &str = r#"
  kubectl get dbt
  kubectl edit dbt website-users                  # add a column, remove one, or change a type
  kubectl get dbt website-users -o yaml           # everything that the operator stores on the object
  psql "$DATABASE_URL"                            # then: \d website_users
  kubectl delete dbt website-users                # drops the table, too
  kubectl apply -f operator/manifests/kopf-demo-cr.yaml
"#;

/// Shows the operator's log until a signal arrives or the operator exits.
pub async fn stay(session: &mut Session<'_>, signals: &mut Signals) -> Result<()> {
    let screen = session.screen;
    screen.headline("Try it yourself")?;
    screen.prose("Everything keeps running until you press Ctrl-C. Paste these lines into another shell:")?;
    screen.gap()?;
    session.shell.exports().iter().try_for_each(|line| screen.output(&format!("  {line}")))?;
    screen.prose("\nThen, for example:")?;
    screen.output(COMMANDS)?;
    screen.prose("\nThe operator's log continues here:\n")?;
    loop {
        tokio::select! {
            line = session.operator_line() => match line {
                Some(line) => screen.log(&line)?,
                None => return Err("the operator has exited unexpectedly".into()),
            },
            _ = signals.next() => return Ok(()),
        }
    }
}
