//! What to listen to.

use crate::linkkit::DeviceName;
use std::collections::BTreeMap;

/// From so many devices of one product on, all of the product are listened to: four filters in place of thousands,
/// which brokers limit. Reports of devices that are not in the list are ignored.
const WHOLE_PRODUCT: usize = 64;
/// Filters in one packet: of the longest names, it stays below 4,000 bytes.
const BATCH: usize = 16;

/// The filters of every subscription to be made.
pub(super) fn batches(devices: &[DeviceName]) -> Vec<Vec<String>> {
    let mut products: BTreeMap<&str, Vec<&DeviceName>> = BTreeMap::new();
    for device in devices {
        products.entry(&device.product).or_default().push(device);
    }
    let mut filters = Vec::new();
    for (product, devices) in products {
        if devices.len() >= WHOLE_PRODUCT {
            let any = DeviceName { product: product.to_owned(), device: "+".to_owned() };
            filters.extend(any.up_topics());
        } else {
            filters.extend(devices.iter().flat_map(|device| device.up_topics()));
        }
    }
    filters.chunks(BATCH).map(<[String]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(product: &str, len: usize) -> Vec<DeviceName> {
        (0..len).map(|i| DeviceName::new(product, &i.to_string()).unwrap()).collect()
    }

    #[test]
    fn a_large_fleet_needs_four_filters_and_a_small_one_no_wildcard() {
        let mut devices = fleet("big", 10_000);
        devices.extend(fleet("small", 2));
        let all = batches(&devices);
        assert_eq!((all.len(), all[0].len()), (1, 12));
        assert_eq!(all[0][0], "/ota/device/inform/big/+");
        assert!(all[0][4..].iter().all(|filter| !filter.contains('+')));
    }

    #[test]
    fn packets_stay_small() {
        let devices: Vec<DeviceName> = (0..1000).flat_map(|i| fleet(&format!("p{i}"), 3)).collect();
        let all = batches(&devices);
        assert!(all.iter().all(|filters| filters.len() <= BATCH));
        assert_eq!(all.iter().map(Vec::len).sum::<usize>(), 12_000);
        let longest = DeviceName { product: "p".repeat(64), device: "d".repeat(64) };
        let packets = batches(&vec![longest; 20]);
        assert!(packets.iter().all(|filters| filters.iter().map(|f| f.len() + 3).sum::<usize>() < 4000));
    }
}
