//! Log lines of the runtime: Kopf's, word for word, wherever Kopf has one.

macro_rules! engine {
    ($level:ident, $($words:tt)+) => { $level!(target: "korf::engine", $($words)+) };
}

macro_rules! object {
    ($level:ident, $($words:tt)+) => { $level!(target: "korf::objects", $($words)+) };
}

mod activities;
mod handling;
mod leases;
mod operator;
mod triggers;
mod watches;
mod writes;

use super::{Observation, peering};
use tracing::info;

/// Writes the lines of an observation where Kopf would have written other words, and korf its own elsewhere.
pub fn write_as_kopf(observation: &Observation<'_>) {
    match *observation {
        Observation::LoginBegins => engine!(info, "Initial authentication has been initiated."),
        // Neither has asked the API server by now.
        Observation::LoginSucceeded { handler } => {
            if handler.is_none() {
                info!(target: "korf::activities", "Activity 'login_via_client' succeeded.");
            }
            engine!(info, "Initial authentication has finished.");
        }
        _ => write(observation),
    }
}

/// Writes the lines of an observation. Each has its file; the compiler says which one is missing here.
pub fn write(observation: &Observation<'_>) {
    match *observation {
        Observation::HandlerLeftOut { .. }
        | Observation::LoginBegins
        | Observation::LoginSucceeded { .. }
        | Observation::LoginRejected { .. }
        | Observation::LoginRenewed
        | Observation::PhaseEntered(_)
        | Observation::HealthServed { .. }
        | Observation::StopRequested { .. }
        | Observation::Draining { .. }
        | Observation::Abandoned { .. }
        | Observation::Saturated { .. }
        | Observation::FilesScarce { .. }
        | Observation::WorkerLost { .. }
        | Observation::ServiceLost { .. }
        | Observation::SharesAsked { .. }
        | Observation::EventsDropped { .. }
        | Observation::EventsLeft { .. }
        | Observation::LeaseNamespaceUnused { .. }
        | Observation::Outage(_) => operator::write(observation),
        Observation::ActivityBegins { .. }
        | Observation::ActivityRuns { .. }
        | Observation::ActivityEnded { .. }
        | Observation::StartupInterrupted
        | Observation::CleanupAbandoned { .. }
        | Observation::ProbeFails { .. }
        | Observation::ProbeRecovers { .. } => activities::write(observation),
        Observation::WatchBegins { .. }
        | Observation::Listed { .. }
        | Observation::IndexesAwaited { .. }
        | Observation::IndexesFilled { .. }
        | Observation::IndexesLackSomething { .. }
        | Observation::NamespaceMissing { .. }
        | Observation::NamespaceFound { .. }
        | Observation::NamespaceUnknown { .. }
        | Observation::NamespacesUnknown { .. }
        | Observation::NamespacesKnown
        | Observation::NoNamespaceFits { .. }
        | Observation::NamespaceGone { .. }
        | Observation::WatchFailed { .. }
        | Observation::Relisting { .. }
        | Observation::WatchDelayed { .. }
        | Observation::WatchRecovered { .. }
        | Observation::ListingInPages { .. }
        | Observation::KindMissing { .. }
        | Observation::VersionMissing { .. }
        | Observation::KindFound { .. }
        | Observation::NewerVersion { .. }
        | Observation::DiscoveryFailed { .. } => watches::write(observation),
        Observation::MappingFailed { .. }
        | Observation::TriggerInVain { .. }
        | Observation::TriggerForNobody { .. }
        | Observation::TriggerStrays { .. }
        | Observation::TriggersWait { .. }
        | Observation::TriggeredTooOften { .. } => triggers::write(observation),
        Observation::Daemon { .. }
        | Observation::DaemonEditsDropped { .. }
        | Observation::CycleBegins { .. }
        | Observation::CycleEnds { .. }
        | Observation::UpdateLeftOut { .. }
        | Observation::Idle(_)
        | Observation::FinalizerChanges(_)
        | Observation::Unreadable(_)
        | Observation::HandlerBegins { .. }
        | Observation::HandlerEnded { .. }
        | Observation::TurnLost { .. }
        | Observation::Indexed { .. }
        | Observation::IndexFailed { .. }
        | Observation::Sleeping { .. }
        | Observation::SleepInterrupted { .. }
        | Observation::Copied
        | Observation::Stripped { .. }
        | Observation::Throttled { .. }
        | Observation::ThrottlingEnded => handling::write(observation),
        Observation::Inconsistent { .. }
        | Observation::WriteFailed { .. }
        | Observation::ReadFailed { .. }
        | Observation::WritePostponed { .. }
        | Observation::EditsRejected { .. }
        | Observation::EditLeftOut { .. }
        | Observation::EditOutdated
        | Observation::DiffBaseCompressed
        | Observation::DiffBaseDigested => writes::write(observation),
        Observation::ElectionBegins { .. }
        | Observation::Lease { .. }
        | Observation::LeasesLost { .. }
        | Observation::LeasesSettled { .. }
        | Observation::StandsBy { .. }
        | Observation::LeaseForeign { .. }
        | Observation::ShardsDiffer { .. }
        | Observation::ShardsAgree { .. }
        | Observation::LeasesFail { .. }
        | Observation::LeasesWork => leases::write(observation),
        Observation::Peering(news) => peering::write(&news),
    }
}
