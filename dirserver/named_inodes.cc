#include "dirserver/named_inodes.h"

#include <set>

namespace conclave::dir {
namespace {

constexpr int kMaxTickets = 1001;   // as many inodes as a call names

}  // namespace

Status require_tickets(const Call& call, const v1::Caller& caller, const std::vector<InodeId>& named) {
  if (caller.tickets_size() > kMaxTickets) return Error(Errc::kInvalid, "too many tickets");
  std::set<InodeId> shown = {kRootInode};
  for (const std::string& sealed : caller.tickets()) {
    const Ticket ticket = TRY(call.keys->open_ticket(view_of(sealed)));
    if (ticket.session != call.session) return Error(Errc::kAccess, "a ticket of another session");
    shown.insert(ticket.inode);
  }
  for (const InodeId inode : named) {
    if (!shown.contains(inode)) return Error(Errc::kAccess, "an inode without its ticket: look it up first");
  }
  return {};
}

}  // namespace conclave::dir
