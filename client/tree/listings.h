// Descriptors of directories, and what they list. Thread-safe; blocks on servers; kPending from any but release
// (operations.h).
#pragma once

#include <memory>

#include "client/tree/names.h"

namespace conclave::client {

struct ListPage;

class Listings {
 public:
  struct Parts {
    const Servers& servers;
    LeaseCache& leases;
    InodeTable& table;
    LeasedInodes& inodes;
    OpenTable& opens;
    Names& names;
    const FileClasses& classes;
  };
  explicit Listings(Parts parts) : parts_(parts) {}

  Result<OpenAnswer> open(const Caller& caller, InodeId directory);
  // Gives `take` the entries from `offset` on (0: from the start; else what an entry said as `next`), with their attributes
  // if `plus`, until it takes no more.
  Status list(const Caller& caller, std::uint64_t handle, std::uint64_t offset, bool plus, const TakeEntry& take);
  void release(std::uint64_t handle);
  // Durable: all that D has answered.
  Status sync(InodeId directory);

 private:
  using PagePtr = std::shared_ptr<ListPage>;
  Result<PagePtr> page_from(const Caller& caller, OpenFile& file, std::uint64_t after, bool plus);
  Result<PagePtr> fetch_page(const Caller& caller, OpenFile& file, std::uint64_t after, bool plus);
  void read_attributes_of(ListPage& page);
  void forget_page(const ListPage& page);
  void tell_page(const Caller& caller, const OpenFile& file, const ListPage& page, std::uint64_t after, bool plus,
                 const TakeEntry& take);
  EntryAnswer entry_of(const Caller& caller, const InodePtr& directory, const ListPage& page, int index);

  const Parts parts_;
};

}  // namespace conclave::client
