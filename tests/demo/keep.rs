//! `--keep`: what the walk has left, to play with.

use crate::{Result, signals::Signals, stage::Stage};

const COMMANDS: &str = r#"
  kubectl get databasetables
  kubectl edit databasetable website-users        # add a column; remove one; give one another type
  kubectl get databasetable website-users -o custom-columns-file=tests/demo/status.columns
  kubectl get databasetable website-users -o yaml # all that the operator keeps there
  psql "$DATABASE_URL"                            # then \d website_users
  kubectl delete databasetable website-users      # its table goes, too
  kubectl apply -f operator/manifests/seed-cr.yaml
"#;

/// Shows the operator's log until a signal comes or the operator ends.
pub async fn stay(stage: &mut Stage<'_>, signals: &mut Signals) -> Result<()> {
    let screen = stage.screen;
    screen.headline("Yours now")?;
    screen.say("Everything stays up until you press Ctrl-C here. Paste these lines into another shell:")?;
    screen.gap()?;
    stage.shell.exports().iter().try_for_each(|line| screen.output(&format!("  {line}")))?;
    screen.say("\nThen, for example:")?;
    screen.output(COMMANDS)?;
    screen.say("\nThe operator's log goes on here:\n")?;
    loop {
        tokio::select! {
            line = stage.operator_line() => match line {
                Some(line) => screen.log(&line)?,
                None => return Err("the operator has ended by itself".into()),
            },
            _ = signals.next() => return Ok(()),
        }
    }
}
