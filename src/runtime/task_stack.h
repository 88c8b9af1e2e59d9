// TaskStack: the lock-free mailbox behind Executor::post().
//
// Posters push onto a shared stack; the one consumer takes it whole and reverses it, which restores
// the order of each poster. push() tells whether the stack was empty, so that only the first task
// of a batch pays for a wake-up. Thread: push() any, take() the consumer only.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "quorate/runtime/executor.h"

namespace quorate::runtime {

class TaskStack {
 public:
  TaskStack() = default;
  TaskStack(const TaskStack&) = delete;
  TaskStack& operator=(const TaskStack&) = delete;
  ~TaskStack() {
    std::vector<Task> dropped;
    take(dropped);
  }

  bool push(Task task) {
    auto node = std::make_unique<Node>(std::move(task));
    Node* head = head_.load(std::memory_order_relaxed);
    do {
      node->next = head;
    } while (!head_.compare_exchange_weak(head, node.get(), std::memory_order_release,
                                          std::memory_order_relaxed));
    node.release();  // the stack owns it now
    return head == nullptr;
  }

  // Appends everything pushed so far to `tasks`, oldest first.
  void take(std::vector<Task>& tasks) {
    Node* newest = head_.exchange(nullptr, std::memory_order_acquire);
    Node* oldest = nullptr;
    while (newest != nullptr) {
      Node* next = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = next;
    }
    while (oldest != nullptr) {
      const std::unique_ptr<Node> node(oldest);
      oldest = node->next;
      tasks.push_back(std::move(node->task));
    }
  }

 private:
  struct Node {
    explicit Node(Task t) : task(std::move(t)) {}
    Task task;
    Node* next = nullptr;
  };
  std::atomic<Node*> head_{nullptr};
};

}  // namespace quorate::runtime
