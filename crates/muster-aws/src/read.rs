//! Reads a [`Roster`] in as few calls as the account's permissions allow.
//!
//! Every listing goes by `IsTruncated` alone: pages may be short or empty. A page that fails fails the reading;
//! an error is never an empty list.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsOutput;
use aws_sdk_iam::operation::get_group::GetGroupOutput;
use aws_sdk_iam::operation::list_groups::ListGroupsOutput;
use aws_sdk_iam::operation::list_groups_for_user::ListGroupsForUserOutput;
use aws_sdk_iam::operation::list_user_tags::ListUserTagsOutput;
use aws_sdk_iam::operation::list_users::ListUsersOutput;
use aws_sdk_iam::types::{EntityType, PolicyDetail};
use muster_core::name::{GroupName, UserName};
use muster_core::roster::{
    Group, InlinePolicy, ManagedPolicy, Policies, PolicyVersion, ReadBy, Roster, SNAPSHOT_VERSION, Tag, User,
};
use muster_core::taxonomy::Taxonomy;
use percent_encoding::percent_decode_str;

use crate::connect::Account;
use crate::error::{CallError, Kind};
use crate::gateway::{Gateway, Repeat};
use crate::parallel::in_parallel;

/// Items of a page, the most that IAM gives. Source: IAM API Reference, `MaxItems`.
pub(crate) const PAGE_ITEMS: i32 = 1000;

/// Pages of one listing, the most that any account can have; a server that always says "more" ends here.
const PAGES_MAX: u32 = 20_000;

/// How much of an account to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Groups and their policies, and no users.
    Groups,
    /// Users, groups, memberships, and the policies of groups.
    Memberships,
    /// All of that, and the policies of users.
    Everything,
}

/// Tells how far a reading has come.
pub type OnProgress<'p> = &'p (dyn Fn(usize) + Send + Sync);

/// Reads the account. `taxonomy` says which groups matter where not all can be read.
pub async fn read_roster(
    account: &Account,
    taxonomy: &Taxonomy,
    depth: Depth,
    taken_at: String,
    progress: OnProgress<'_>,
) -> Result<Roster, CallError> {
    let mut roster = Roster {
        muster_snapshot: SNAPSHOT_VERSION,
        account: account.id.clone(),
        partition: account.partition.clone(),
        taken_at,
        read_by: ReadBy::AccountAuthorizationDetails,
        users: Vec::new(),
        groups: Vec::new(),
        policies: Vec::new(),
    };
    let reader = Reader { gateway: &account.gateway, progress };
    match reader.authorization_details(&mut roster, depth).await? {
        Details::Read => {}
        Details::Denied(error) if depth == Depth::Everything => return Err(error),
        Details::Denied(_) if depth == Depth::Groups => {
            roster = read_groups(account, taxonomy, roster.taken_at).await?;
        }
        Details::Denied(_) => reader.piecewise(&mut roster, taxonomy).await?,
    }
    roster.sort();
    Ok(roster)
}

/// Reads which groups exist, and nothing else: one call, or one for each managed group where listing is denied.
pub async fn read_groups(
    account: &Account,
    taxonomy: &Taxonomy,
    taken_at: String,
) -> Result<Roster, CallError> {
    let reader = Reader { gateway: &account.gateway, progress: &|_| {} };
    let mut roster = Roster {
        muster_snapshot: SNAPSHOT_VERSION,
        account: account.id.clone(),
        partition: account.partition.clone(),
        taken_at,
        read_by: ReadBy::GetGroup,
        users: Vec::new(),
        groups: Vec::new(),
        policies: Vec::new(),
    };
    roster.groups = match reader.groups().await {
        Err(error) if error.kind == Kind::Denied => {
            let managed: Vec<&GroupName> = taxonomy.groups().map(|(name, _)| name).collect();
            reader.members_of(&managed).await?.into_iter().map(|(group, _)| group).collect()
        }
        other => other?,
    };
    roster.sort();
    Ok(roster)
}

/// Reads groups and policies again as they are now.
pub(crate) async fn read_groups_and_policies(
    gateway: &Gateway,
    before: &Roster,
) -> Result<Roster, CallError> {
    let reader = Reader { gateway, progress: &|_| {} };
    let mut roster = Roster { users: Vec::new(), groups: Vec::new(), policies: Vec::new(), ..before.clone() };
    match reader.authorization_details(&mut roster, Depth::Groups).await? {
        Details::Read => {}
        Details::Denied(error) => return Err(error),
    }
    roster.sort();
    Ok(roster)
}

/// What came of asking for the authorization details.
enum Details {
    /// They are read.
    Read,
    /// The caller may not read them.
    Denied(CallError),
}

struct Reader<'r> {
    gateway: &'r Gateway,
    progress: OnProgress<'r>,
}

impl Reader<'_> {
    async fn authorization_details(&self, roster: &mut Roster, depth: Depth) -> Result<Details, CallError> {
        let action = "GetAccountAuthorizationDetails";
        let mut filter =
            vec![EntityType::Group, EntityType::LocalManagedPolicy, EntityType::AwsManagedPolicy];
        if depth != Depth::Groups {
            filter.insert(0, EntityType::User);
        }
        let denied_at_once = Cell::new(false);
        let fetch = async |marker: Option<String>| {
            let page = self.gateway.call("iam", action, Repeat::Safe, || {
                let call = self.gateway.iam.get_account_authorization_details();
                call.set_filter(Some(filter.clone())).max_items(PAGE_ITEMS).set_marker(marker.clone()).send()
            });
            // On a later page it is a page that fails, and the reading with it.
            page.await.inspect_err(|error| denied_at_once.set(error.kind == Kind::Denied && marker.is_none()))
        };
        let tail = |page: &GetAccountAuthorizationDetailsOutput| tail(page.is_truncated(), page.marker());
        let read = pages(action, fetch, tail, |page| {
            add_details(roster, &page, depth, action)?;
            (self.progress)(roster.users.len());
            Ok(())
        });
        match read.await {
            Err(error) if denied_at_once.get() => Ok(Details::Denied(error)),
            other => other.map(|()| Details::Read),
        }
    }

    /// Without the authorization details: users, then the members of each managed group, or the groups of each user.
    async fn piecewise(&self, roster: &mut Roster, taxonomy: &Taxonomy) -> Result<(), CallError> {
        roster.users = self.users().await?;
        if taxonomy.needs_tags() {
            let tags = self.of_each(&roster.users, async |user| self.tags_of(user).await).await?;
            set_each(&mut roster.users, tags, |user, tags| user.tags = Some(tags));
        }
        let managed = taxonomy.groups().map(|(name, _)| name).chain(&taxonomy.disabled_group);
        let managed: Vec<&GroupName> = managed.collect();
        match self.members_of(&managed).await {
            Ok(groups) => {
                roster.read_by = ReadBy::GetGroup;
                let mut positions: BTreeMap<UserName, usize> = BTreeMap::new();
                for (position, user) in roster.users.iter().enumerate() {
                    positions.insert(user.name.clone(), position);
                }
                for (group, members) in groups {
                    for member in members {
                        if let Some(&position) = positions.get(&member) {
                            roster.users[position].groups.push(group.name.clone());
                        }
                    }
                    roster.groups.push(group);
                }
                Ok(())
            }
            Err(error) if error.kind == Kind::Denied => {
                roster.read_by = ReadBy::ListGroupsForUser;
                roster.groups = self.groups().await?;
                let groups =
                    self.of_each(&roster.users, async |user| groups_of(self.gateway, user).await).await?;
                set_each(&mut roster.users, groups, |user, groups| user.groups = groups);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Reads something of each user, many at once; `None` for a user that is gone since it was listed.
    async fn of_each<T>(
        &self,
        users: &[User],
        read: impl AsyncFn(&UserName) -> Result<T, CallError>,
    ) -> Result<Vec<Option<T>>, CallError> {
        let done = AtomicUsize::new(0);
        let results = in_parallel(users, async |user: &User| {
            let result = read(&user.name).await;
            (self.progress)(done.fetch_add(1, Ordering::Relaxed) + 1);
            match result {
                Err(error) if error.kind == Kind::NotFound => Ok(None),
                other => other.map(Some),
            }
        });
        results.await.into_iter().collect()
    }

    async fn users(&self) -> Result<Vec<User>, CallError> {
        let action = "ListUsers";
        let mut users = Vec::new();
        let fetch = async |marker: Option<String>| {
            let call =
                || self.gateway.iam.list_users().max_items(PAGE_ITEMS).set_marker(marker.clone()).send();
            self.gateway.call("iam", action, Repeat::Safe, call).await
        };
        let tail = |page: &ListUsersOutput| tail(page.is_truncated(), page.marker());
        let read = pages(action, fetch, tail, |page| {
            users.extend(page.users().iter().map(|user| User {
                name: UserName::new(user.user_name()),
                path: user.path().to_owned(),
                id: user.user_id().to_owned(),
                tags: None, // `ListUsers` leaves them out, whatever there is
                groups: Vec::new(),
                policies: Policies::default(),
                boundary: None,
                created_s: None,
            }));
            Ok(())
        });
        read.await?;
        Ok(users)
    }

    async fn tags_of(&self, user: &UserName) -> Result<Vec<Tag>, CallError> {
        let action = "ListUserTags";
        let mut all = Vec::new();
        let fetch = async |marker: Option<String>| {
            let call = || {
                let call = self.gateway.iam.list_user_tags().user_name(user.as_str());
                call.max_items(PAGE_ITEMS).set_marker(marker.clone()).send()
            };
            self.gateway.call("iam", action, Repeat::Safe, call).await
        };
        let tail = |page: &ListUserTagsOutput| tail(page.is_truncated(), page.marker());
        let read = pages(action, fetch, tail, |page| {
            all.extend(tags(page.tags()));
            Ok(())
        });
        read.await?;
        Ok(all)
    }

    /// Returns the groups that exist, each with its members.
    async fn members_of(&self, managed: &[&GroupName]) -> Result<Vec<(Group, Vec<UserName>)>, CallError> {
        let mut groups = Vec::new();
        for name in managed {
            groups.extend(self.members(name).await?);
        }
        Ok(groups)
    }

    /// Returns a group with its members, if it exists.
    async fn members(&self, name: &GroupName) -> Result<Option<(Group, Vec<UserName>)>, CallError> {
        let action = "GetGroup";
        let (mut members, mut found) = (Vec::new(), None);
        let fetch = async |marker: Option<String>| {
            let call = || {
                let call = self.gateway.iam.get_group().group_name(name.as_str());
                call.max_items(PAGE_ITEMS).set_marker(marker.clone()).send()
            };
            self.gateway.call("iam", action, Repeat::Safe, call).await
        };
        let tail = |page: &GetGroupOutput| tail(page.is_truncated(), page.marker());
        let read = pages(action, fetch, tail, |page| {
            members.extend(page.users().iter().map(|user| UserName::new(user.user_name())));
            if let Some(group) = page.group() {
                let name = GroupName::new(group.group_name());
                found = Some(Group { name, path: group.path().to_owned(), policies: None });
            }
            Ok(())
        });
        match read.await {
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            other => other.map(|()| found.map(|group| (group, members))),
        }
    }

    async fn groups(&self) -> Result<Vec<Group>, CallError> {
        let action = "ListGroups";
        let mut groups = Vec::new();
        let fetch = async |marker: Option<String>| {
            let call =
                || self.gateway.iam.list_groups().max_items(PAGE_ITEMS).set_marker(marker.clone()).send();
            self.gateway.call("iam", action, Repeat::Safe, call).await
        };
        let tail = |page: &ListGroupsOutput| tail(page.is_truncated(), page.marker());
        let read = pages(action, fetch, tail, |page| {
            groups.extend(page.groups().iter().map(|group| Group {
                name: GroupName::new(group.group_name()),
                path: group.path().to_owned(),
                policies: None,
            }));
            Ok(())
        });
        read.await?;
        Ok(groups)
    }
}

/// Goes through a listing to its end, which `IsTruncated` alone tells.
pub(crate) async fn pages<P>(
    action: &'static str,
    fetch: impl AsyncFn(Option<String>) -> Result<P, CallError>,
    tail: impl Fn(&P) -> Tail,
    mut take: impl FnMut(P) -> Result<(), CallError>,
) -> Result<(), CallError> {
    let mut marker = None;
    for _ in 0..PAGES_MAX {
        let page = fetch(marker).await?;
        let tail = tail(&page);
        take(page)?;
        marker = match tail {
            Tail::End => return Ok(()),
            Tail::More(marker) => Some(marker),
            Tail::Nowhere => {
                return Err(CallError::nonsense(action, "the answer says that there is more, and not where"));
            }
        };
    }
    Err(CallError::nonsense(action, "the listing does not end"))
}

/// What follows a page.
pub(crate) enum Tail {
    End,
    More(String),
    Nowhere,
}

pub(crate) fn tail(truncated: bool, marker: Option<&str>) -> Tail {
    match (truncated, marker) {
        (false, _) => Tail::End,
        (true, Some(marker)) => Tail::More(marker.to_owned()),
        (true, None) => Tail::Nowhere,
    }
}

/// Takes over what one page of the authorization details says.
fn add_details(
    roster: &mut Roster,
    page: &GetAccountAuthorizationDetailsOutput,
    depth: Depth,
    action: &'static str,
) -> Result<(), CallError> {
    for user in page.user_detail_list() {
        let attached = user.attached_managed_policies().iter().filter_map(|p| p.policy_arn());
        let policies = match depth {
            Depth::Groups | Depth::Memberships => Policies::default(),
            Depth::Everything => Policies {
                attached: attached.map(str::to_owned).collect(),
                inline: inline(user.user_policy_list()),
            },
        };
        roster.users.push(User {
            name: UserName::new(required(user.user_name(), action)?),
            path: user.path().unwrap_or("/").to_owned(),
            id: user.user_id().unwrap_or_default().to_owned(),
            tags: Some(tags(user.tags())),
            groups: user.group_list().iter().map(GroupName::new).collect(),
            policies,
            boundary: user
                .permissions_boundary()
                .and_then(|boundary| boundary.permissions_boundary_arn())
                .map(str::to_owned),
            created_s: user.create_date().map(aws_smithy_types::DateTime::secs),
        });
    }
    for group in page.group_detail_list() {
        let attached = group.attached_managed_policies().iter().filter_map(|p| p.policy_arn());
        roster.groups.push(Group {
            name: GroupName::new(required(group.group_name(), action)?),
            path: group.path().unwrap_or("/").to_owned(),
            policies: Some(Policies {
                attached: attached.map(str::to_owned).collect(),
                inline: inline(group.group_policy_list()),
            }),
        });
    }
    for policy in page.policies() {
        let versions = policy.policy_version_list();
        let default = versions.iter().find(|version| version.is_default_version());
        let others = versions.iter().filter(|version| !version.is_default_version());
        let mut others: Vec<PolicyVersion> = others
            .map(|version| PolicyVersion {
                id: version.version_id().unwrap_or_default().to_owned(),
                document: version.document().map(decoded).unwrap_or_default(),
            })
            .collect();
        others.sort_by_key(PolicyVersion::number);
        roster.policies.push(ManagedPolicy {
            arn: required(policy.arn(), action)?.to_owned(),
            name: policy.policy_name().unwrap_or_default().to_owned(),
            document: default.and_then(|v| v.document()).map(decoded).unwrap_or_default(),
            version: policy.default_version_id().unwrap_or("v1").to_owned(),
            others,
        });
    }
    Ok(())
}

/// Gives each user what was read of it; users that are gone are left out.
fn set_each<T>(users: &mut Vec<User>, values: Vec<Option<T>>, set: impl Fn(&mut User, T)) {
    let mut values = values.into_iter();
    users.retain_mut(|user| match values.next().flatten() {
        Some(value) => {
            set(user, value);
            true
        }
        None => false,
    });
}

/// Returns the groups of one user, read now.
pub(crate) async fn groups_of(gateway: &Gateway, user: &UserName) -> Result<Vec<GroupName>, CallError> {
    let action = "ListGroupsForUser";
    let mut groups = Vec::new();
    let fetch = async |marker: Option<String>| {
        let call = || {
            let call = gateway.iam.list_groups_for_user().user_name(user.as_str());
            call.max_items(PAGE_ITEMS).set_marker(marker.clone()).send()
        };
        gateway.call("iam", action, Repeat::Safe, call).await
    };
    let tail = |page: &ListGroupsForUserOutput| tail(page.is_truncated(), page.marker());
    let read = pages(action, fetch, tail, |page| {
        groups.extend(page.groups().iter().map(|group| GroupName::new(group.group_name())));
        Ok(())
    });
    read.await?;
    Ok(groups)
}

/// Returns the account's alias, if it has one and it may be seen.
pub async fn alias(gateway: &Gateway) -> Option<String> {
    let answer = gateway
        .call("iam", "ListAccountAliases", Repeat::Safe, || gateway.iam.list_account_aliases().send())
        .await;
    answer.ok().and_then(|answer| answer.account_aliases().first().cloned())
}

fn required<'v>(value: Option<&'v str>, action: &'static str) -> Result<&'v str, CallError> {
    value.ok_or_else(|| CallError::nonsense(action, "the answer has an entry without a name"))
}

pub(crate) fn tags(tags: &[aws_sdk_iam::types::Tag]) -> Vec<Tag> {
    tags.iter().map(|tag| Tag { key: tag.key().to_owned(), value: tag.value().to_owned() }).collect()
}

fn inline(policies: &[PolicyDetail]) -> Vec<InlinePolicy> {
    let policy = |policy: &PolicyDetail| InlinePolicy {
        name: policy.policy_name().unwrap_or_default().to_owned(),
        document: policy.policy_document().map(decoded).unwrap_or_default(),
    };
    policies.iter().map(policy).collect()
}

/// Policy documents come percent-encoded (RFC 3986), which the SDK leaves to us.
pub(crate) fn decoded(document: &str) -> String {
    percent_decode_str(document).decode_utf8_lossy().into_owned()
}
