//! Handover with the full CRD, whose schema prunes Kopf's results, and which has a status subresource.

use super::{fixture::Handover, retries, table};

#[tokio::test]
async fn with_the_full_crd_kopf_completes_a_creation_and_korf_makes_the_update() {
    let Some(handover) = Handover::with_full_crd("full-crd-kopf").await else { return };
    retries::created_by_kopf(&handover).await;
    table::updated_by_korf(&handover).await;
    table::dropped_by_kopf(&handover).await;
    assert_eq!(handover.calls().await.len(), 3, "two attempts at the creation, and the deletion");
}

#[tokio::test]
async fn with_the_full_crd_korf_completes_a_creation_and_kopf_makes_the_update() {
    let Some(handover) = Handover::with_full_crd("full-crd-korf").await else { return };
    retries::created_by_korf(&handover).await;
    table::updated_by_kopf(&handover).await;
    table::dropped_by_korf(&handover).await;
    assert_eq!(handover.calls().await.len(), 2, "one attempt at the creation, and the update");
}
