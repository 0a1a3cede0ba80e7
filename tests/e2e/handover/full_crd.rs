//! A schema, which prunes Kopf's results, and a status subresource: the same lives, and no seam is seen.

use super::{retries, table, turns::Turns};

#[tokio::test]
async fn with_the_full_crd_a_creation_that_korf_failed_at_is_kopfs_and_the_update_korfs() {
    let Some(turns) = Turns::with_the_full_crd("full-crd-kopf").await else { return };
    retries::created_by_kopf(&turns).await;
    table::updated_by_korf(&turns).await;
    table::dropped_by_kopf(&turns).await;
    assert_eq!(turns.calls().await.len(), 3, "two attempts at the creation, and the deletion");
}

#[tokio::test]
async fn with_the_full_crd_a_creation_that_kopf_failed_at_is_korfs_and_the_update_kopfs() {
    let Some(turns) = Turns::with_the_full_crd("full-crd-korf").await else { return };
    retries::created_by_korf(&turns).await;
    table::updated_by_kopf(&turns).await;
    table::dropped_by_korf(&turns).await;
    assert_eq!(turns.calls().await.len(), 2, "one attempt at the creation, and the update");
}
