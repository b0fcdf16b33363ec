// Which mutex guards what, for clang's -Wthread-safety; nothing for other compilers. scripts/test --deep reads every file
// so, with libc++, whose std::mutex, std::lock_guard and std::shared_lock say what they are. The analysis sees one
// function at a time, knows neither constructors nor destructors, and takes a lambda for a function of its own: one that
// runs under the lock says REQUIRES after its parameters.
#pragma once

#include <mutex>

#ifdef _LIBCPP_ENABLE_THREAD_SAFETY_ANNOTATIONS
#define CONCLAVE_ANALYSIS(attribute) __attribute__((attribute))
#else
#define CONCLAVE_ANALYSIS(attribute)
#endif

#define GUARDED_BY(mutex) CONCLAVE_ANALYSIS(guarded_by(mutex))          // a member: touched with `mutex` held only
#define REQUIRES(...) CONCLAVE_ANALYSIS(requires_capability(__VA_ARGS__))  // a function: called with them held
#define EXCLUDES(...) CONCLAVE_ANALYSIS(locks_excluded(__VA_ARGS__))    // a function: called with none of them held
#define RETURN_CAPABILITY(mutex) CONCLAVE_ANALYSIS(lock_returned(mutex))
#define NO_ANALYSIS CONCLAVE_ANALYSIS(no_thread_safety_analysis)        // a function the analysis misreads; say why there

namespace conclave {

// std::unique_lock as the analysis can follow it in the function that makes it. One that is lent the lock takes a
// std::unique_lock<std::mutex>&; it may unlock it meanwhile.
class CONCLAVE_ANALYSIS(scoped_lockable) UniqueLock : public std::unique_lock<std::mutex> {
 public:
  explicit UniqueLock(std::mutex& mutex) CONCLAVE_ANALYSIS(acquire_capability(mutex)) : unique_lock(mutex) {}
  ~UniqueLock() CONCLAVE_ANALYSIS(release_capability()) {}
  UniqueLock(const UniqueLock&) = delete;
  UniqueLock& operator=(const UniqueLock&) = delete;
  void lock() CONCLAVE_ANALYSIS(acquire_capability()) { unique_lock::lock(); }
  void unlock() CONCLAVE_ANALYSIS(release_capability()) { unique_lock::unlock(); }
};

}  // namespace conclave
